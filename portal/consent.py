"""What owners are asked to agree to, in shipped wordings that are kept by version and hash, and who agreed when.

A consent is never deleted: taking it back closes the row.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Unacceptable
from portal.i18n import gettext as _
from portal.i18n import language
from portal.lifecycle import Actor, record
from portal.models import Clip, Consent, ConsentText

PURPOSES = ("site", "adult", "social", "ads", "contact")
REQUIRED = ("site", "adult")


@dataclass(frozen=True, slots=True)
class Wording:
    """One purpose as people read it: the sentence next to the box, and the full text behind it."""

    purpose: str
    sentence: str
    full: str

    @property
    def body(self) -> str:
        """Everything that is agreed to; this is what is stored and hashed."""
        return f"{self.sentence}\n\n{self.full}"


def wording(purpose: str, lang: str, *, brand: str) -> Wording:
    """The shipped wording of a purpose in this language; raises Unacceptable for an unknown purpose."""
    _known({purpose})
    with language(lang):
        sentence, full = _shipped(purpose, brand)
    return Wording(purpose, sentence, full)


def text_for(session: Session, purpose: str, lang: str, *, brand: str) -> ConsentText:
    """The stored text of a purpose; stores it on first use, as the next version when the wording has changed."""
    body = wording(purpose, lang, brand=brand).body
    digest = hashlib.sha256(body.encode()).hexdigest()
    newest = _newest(session, purpose, lang)
    if newest is not None and newest.sha256 == digest:
        return newest
    text = ConsentText(
        purpose=purpose,
        lang=lang,
        version=newest.version + 1 if newest else 1,
        body=body,
        sha256=digest,
        created_at=db_now(session),
    )
    try:
        with session.begin_nested():
            session.add(text)
    except IntegrityError:
        # Somebody else stored the same wording at the same moment.
        stored = _newest(session, purpose, lang)
        if stored is None or stored.sha256 != digest:
            raise
        return stored
    return text


def give(
    session: Session, clip: Clip, purposes: Iterable[str], *, lang: str, via: str, brand: str
) -> list[str]:
    """Note that the owner agrees to these purposes; the ones that are new. Raises Unacceptable for unknown ones."""
    wanted = set(purposes)
    _known(wanted)
    already = standing(session, clip)
    new = [purpose for purpose in PURPOSES if purpose in wanted and purpose not in already]
    for purpose in new:
        text = text_for(session, purpose, lang, brand=brand)
        session.add(
            Consent(
                clip_id=clip.id,
                text_id=text.id,
                purpose=purpose,
                given_at=db_now(session),
                given_via=via[:16],
            )
        )
    session.flush()
    return new


def revoke(session: Session, clip: Clip, purpose: str, *, by: Actor) -> bool:
    """Close what was agreed to for this purpose, with a line in the audit trail; False when nothing stood."""
    _known({purpose})
    consent = standing(session, clip).get(purpose)
    if consent is None:
        return False
    consent.revoked_at = db_now(session)
    session.flush()
    record(session, clip, "revoke", by=by, detail={"purpose": purpose})
    return True


def standing(session: Session, clip: Clip) -> dict[str, Consent]:
    """The consents that hold now, by purpose."""
    rows = session.scalars(
        select(Consent).where(Consent.clip_id == clip.id, Consent.revoked_at.is_(None)).order_by(Consent.id)
    )
    return {consent.purpose: consent for consent in rows}


def _newest(session: Session, purpose: str, lang: str) -> ConsentText | None:
    return session.scalars(
        select(ConsentText)
        .where(ConsentText.purpose == purpose, ConsentText.lang == lang)
        .order_by(ConsentText.version.desc())
        .limit(1)
    ).one_or_none()


def _known(purposes: set[str]) -> None:
    if unknown := purposes - set(PURPOSES):
        fields = {f"consents.{purpose}": Code.UNKNOWN_FIELD for purpose in sorted(unknown)}
        raise Unacceptable(Code.UNKNOWN_FIELD, fields=fields)


def _shipped(purpose: str, brand: str) -> tuple[str, str]:
    """Sentence and full text in the current language; the hash changes with every letter."""
    if purpose == "site":
        return (
            _("J’accepte que %(brand)s montre ce clip sur ce site, pendant 24 mois.", brand=brand),
            _(
                "Le clip, votre prénom, votre ville si vous la donnez et vos textes sont visibles par tous sur ce "
                "site. %(brand)s peut réduire la taille du film, ajouter des sous-titres et choisir une image, sans "
                "en changer le sens. Rien ne vous est pris : le film reste à vous. Vous pouvez le retirer à tout "
                "moment, sans dire pourquoi ; il disparaît du site aussitôt.",
                brand=brand,
            ),
        )
    if purpose == "adult":
        return (
            _("J’ai 18 ans ou plus, et ce film est le mien."),
            _(
                "Vous avez filmé vous-même, ou la personne qui a filmé est d’accord. Les personnes que l’on "
                "reconnaît dans le film sont adultes et d’accord pour y paraître."
            ),
        )
    return _shipped_optional(purpose, brand)


def _shipped_optional(purpose: str, brand: str) -> tuple[str, str]:
    if purpose == "social":
        return (
            _("%(brand)s peut aussi montrer ce clip sur ses réseaux sociaux.", brand=brand),
            _(
                "Le clip peut être repris, entier ou en extrait, sur les comptes de %(brand)s. Si vous revenez sur "
                "cet accord, %(brand)s efface ses propres publications ; les copies faites par d’autres ne "
                "dépendent pas de nous.",
                brand=brand,
            ),
        )
    if purpose == "ads":
        return (
            _("%(brand)s peut aussi utiliser ce clip dans sa publicité.", brand=brand),
            _(
                "Le clip peut paraître, entier ou en extrait, dans des annonces payées par %(brand)s, jamais avec "
                "des mots que vous n’avez pas dits.",
                brand=brand,
            ),
        )
    return (
        _("%(brand)s peut m’écrire au sujet de ce clip.", brand=brand),
        _(
            "Par exemple pour vous demander une précision ou vous inviter. Les messages sur l’avancement de votre "
            "clip vous parviennent dans tous les cas."
        ),
    )
