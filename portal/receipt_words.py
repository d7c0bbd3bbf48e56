"""A receipt in words for people: what was deleted, where, and that it was looked for; pure functions of the language."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from portal.i18n import format_bytes, format_date, ngettext
from portal.i18n import gettext as _


def which(facts: Mapping[str, Any]) -> str:
    """Which clip the receipt speaks of: by its date, for its title is gone."""
    if count := int(facts.get("clips", 0)):
        return ngettext(
            "Tout ce qui portait votre adresse, dont %(num)s clip",
            "Tout ce qui portait votre adresse, dont %(num)s clips",
            count,
        )
    sent_on = str(facts.get("sent_on", ""))
    if not sent_on:
        return _("Tout ce qui portait votre adresse")
    return _("Le clip commencé le %(date)s", date=format_date(date.fromisoformat(sent_on)))


def lines(facts: Mapping[str, Any]) -> list[str]:
    """One line for each thing that was deleted; what there was none of is left out."""
    objects = facts.get("objects", {})
    said = []
    if count := int(objects.get("originals", 0)):
        said.append(
            ngettext(
                "Stockage privé : %(num)s fichier effacé (%(size)s en tout).",
                "Stockage privé : %(num)s fichiers effacés (%(size)s en tout).",
                count,
                size=format_bytes(facts.get("bytes", 0)),
            )
        )
    if count := int(objects.get("public", 0)):
        said.append(
            ngettext(
                "Stockage public : %(num)s fichier effacé.",
                "Stockage public : %(num)s fichiers effacés.",
                count,
            )
        )
    elif "public" in objects:
        # Taken back with the withdrawal, or never there.
        said.append(_("Stockage public : il n’y avait plus rien."))
    if facts.get("untold"):
        said.append(
            _(
                "Réseau de diffusion : il n’a pas encore confirmé qu’il oublie ses copies. Nous le lui demandons jusqu’à ce qu’il réponde."
            )
        )
    if count := int(facts.get("letters", 0)):
        said.append(
            ngettext(
                "Copies de nos lettres : %(num)s effacée.", "Copies de nos lettres : %(num)s effacées.", count
            )
        )
    for table, count in facts.get("rows", {}).items():
        said.append(_("%(what)s : %(count)s", what=_table(table), count=_rows(int(count))))
    return said


def looked_for() -> str:
    """That everything was looked for afterwards: no receipt is written before nothing is found."""
    return _("Nous avons cherché de nouveau dans les deux stockages et dans la base : il ne reste rien.")


def stays() -> str:
    """What is kept, and why."""
    return _(
        "Ce qui reste ne dit rien de vous : un numéro, des dates, ce qui a été décidé et à quels textes quelqu’un a dit oui."
    )


def person(facts: Mapping[str, Any]) -> str:
    """What became of the address; empty while other clips need it."""
    if not facts.get("is_person_gone"):
        return ""
    return _(
        "Votre adresse est effacée aussi : elle a servi à envoyer cette lettre, la dernière, puis nous l’avons oubliée."
    )


def _rows(count: int) -> str:
    return ngettext("%(num)s ligne effacée ou vidée", "%(num)s lignes effacées ou vidées", count)


def _table(name: str) -> str:
    known = _TABLES.get(name)
    return known() if known is not None else name


_TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "clip": lambda: _("La fiche du clip"),
    "clip_theme": lambda: _("Ses thèmes"),
    "clip_link": lambda: _("Ses liens privés"),
    "co_answer": lambda: _("Leurs réponses"),
    "co_signature": lambda: _("Les personnes nommées"),
    "message": lambda: _("Les messages"),
    "rendition": lambda: _("Le registre des fichiers"),
    "caption": lambda: _("Les sous-titres"),
    "signal": lambda: _("Les relevés de l’image et du son"),
    "fingerprint": lambda: _("Les empreintes du film"),
    "film": lambda: _("Les données du film"),
    "upload": lambda: _("Les envois"),
    "cut": lambda: _("Les coupes"),
    "job": lambda: _("Les travaux"),
    "notice": lambda: _("Les lettres"),
    "note": lambda: _("Les remarques des modérateurs"),
    "decision": lambda: _("Les décisions"),
    "reason": lambda: _("Les motifs"),
    "consent": lambda: _("D’où les accords ont été donnés"),
    "support_case": lambda: _("Les demandes d’appel"),
    "owner_proof": lambda: _("Les preuves d’achat"),
    "invitation": lambda: _("Les invitations"),
    "incoming_mail": lambda: _("Les e-mails reçus"),
    "idempotency_key": lambda: _("Les réponses gardées un jour"),
    "person": lambda: _("Votre adresse"),
}
