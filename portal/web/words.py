"""The studio's words for states, verbs and fields: never the technical ones."""

import re
from collections.abc import Callable
from typing import Any, Final

from portal.errors import Code, Unacceptable
from portal.i18n import gettext as _
from portal.i18n import ngettext
from portal.lifecycle import TRANSITIONS
from portal.models import JobState, State
from portal.withdrawal import REASONS

_STATES: Final[dict[str, Callable[[], str]]] = {
    State.DRAFT: lambda: _("Pas encore envoyé"),
    State.UPLOADING: lambda: _("Envoi"),
    State.PROCESSING: lambda: _("Préparation"),
    State.IN_REVIEW: lambda: _("À relire"),
    State.CHANGES_REQUESTED: lambda: _("En correction"),
    State.APPROVED: lambda: _("Accepté"),
    State.PUBLISHED: lambda: _("Publié"),
    State.REJECTED: lambda: _("Refusé"),
    State.WITHDRAWN: lambda: _("Retiré"),
    State.REMOVED: lambda: _("Dépublié"),
    State.EXPIRED: lambda: _("Accord expiré"),
    State.FAILED: lambda: _("Échec technique"),
    State.ERASED: lambda: _("Effacé"),
}
_KINDS: Final = {
    State.IN_REVIEW: "warn",
    State.CHANGES_REQUESTED: "warn",
    State.APPROVED: "ok",
    State.PUBLISHED: "ok",
    State.REJECTED: "bad",
    State.REMOVED: "bad",
    State.FAILED: "bad",
}
_BACK: Final = sorted(verb for verb in TRANSITIONS if verb.startswith("restore"))
# With "who" in front when somebody did it, and as a bare fact when the portal did.
_VERBS: Final[dict[str, Callable[[], str]]] = {
    "begin": lambda: _("Participation commencée"),
    "open_upload": lambda: _("Envoi de la vidéo commencé"),
    "complete": lambda: _("Vidéo reçue"),
    "abandon": lambda: _("Participation abandonnée"),
    "ready": lambda: _("Prêt à relire"),
    "fail": lambda: _("Échec de la préparation"),
    "retry": lambda: _("Nouvel essai"),
    "request_changes": lambda: _("Correction demandée"),
    "answer": lambda: _("Réponse de l’auteur"),
    "approve": lambda: _("Approuvé"),
    "publish": lambda: _("Mis en ligne"),
    "reject": lambda: _("Refusé"),
    "undo": lambda: _("Décision annulée"),
    "unpublish": lambda: _("Dépublié"),
    "reopen": lambda: _("Rouvert"),
    "withdraw": lambda: _("Retiré par l’auteur"),
    "give_up": lambda: _("Retiré, sans nouvelle de l’auteur"),
    **dict.fromkeys(_BACK, lambda: _("Retrait annulé par l’auteur")),
    "expire": lambda: _("Accord expiré"),
    "erase": lambda: _("Effacé"),
    "edit": lambda: _("Textes modifiés"),
    "note": lambda: _("Note ajoutée"),
    "message": lambda: _("Message échangé"),
    "agree": lambda: _("Accord donné"),
    "erase_request": lambda: _("Effacement demandé par l’auteur"),
    "revoke": lambda: _("Accord retiré"),
    "use_stopped": lambda: _("Usage arrêté hors du site"),
    "renew": lambda: _("Accord prolongé"),
    "cosign_ask": lambda: _("Accord demandé à une personne du film"),
    "cosign_agree": lambda: _("Une personne du film est d’accord"),
    "cosign_refuse": lambda: _("Une personne du film n’est pas, ou plus, d’accord"),
    "cosign_renew": lambda: _("Une personne du film a renouvelé son accord"),
    "cosign_drop": lambda: _("Une personne déjà interrogée a été retirée de la liste"),
    "captions_made": lambda: _("Sous-titres préparés"),
    "captions_edit": lambda: _("Sous-titres modifiés"),
    "captions_check": lambda: _("Sous-titres relus"),
    "captions_uncheck": lambda: _("Sous-titres à relire de nouveau"),
    "captions_delete": lambda: _("Sous-titres supprimés"),
    "propose_cut": lambda: _("Nouvelle version demandée"),
    "cut_ready": lambda: _("Nouvelle version prête"),
    "adopt_cut": lambda: _("Nouvelle version prise"),
    "let_cut_go": lambda: _("Ancienne version gardée"),
    "republish": lambda: _("Nouvelle version en ligne"),
    "poster": lambda: _("Image du clip choisie"),
    "original_taken": lambda: _("Vidéo d’origine téléchargée"),
    "contacts_taken": lambda: _("Liste des personnes à recontacter téléchargée"),
    "owner_level": lambda: _("Niveau du propriétaire relevé"),
    "poster_made": lambda: _("Photo envoyée prête à voir"),
}
_FIELDS: Final[dict[str, Callable[[], str]]] = {
    "title": lambda: _("titre"),
    "themes": lambda: _("thèmes"),
    "first_name": lambda: _("prénom"),
    "city": lambda: _("ville"),
    "product": lambda: _("produit"),
    "email": lambda: _("adresse e-mail"),
    "owned_since": lambda: _("depuis quelle année"),
    "filmed_on": lambda: _("mois du film"),
    "speech_lang": lambda: _("langue parlée"),
    "people": lambda: _("personnes du film"),
    "music": lambda: _("musique"),
    "music_words": lambda: _("précision sur la musique"),
    "relation": lambda: _("lien avec la marque"),
    "incentive": lambda: _("contrepartie"),
    "altered": lambda: _("images ou sons d’une machine"),
}
_WHYS: Final[dict[str, Callable[[], str]]] = {
    "changed_mind": lambda: _("j’ai changé d’avis"),
    "privacy": lambda: _("on y reconnaît quelqu’un ou quelque chose"),
    "sold": lambda: _("je n’ai plus ce produit"),
    "film": lambda: _("le film ne me plaît plus"),
    "brand": lambda: _("à cause de la marque"),
    "other": lambda: _("autre chose"),
}
_JOBS: Final[dict[str, Callable[[], str]]] = {
    "transcode": lambda: _("Préparer la vidéo"),
    "chunk": lambda: _("Préparer un passage de la vidéo"),
    "preview": lambda: _("Préparer le premier aperçu"),
    "remake": lambda: _("Refaire la vidéo"),
    "poster": lambda: _("Changer l’affiche"),
    "signals": lambda: _("Chercher ce qui mérite un regard"),
    "captions": lambda: _("Écrire les sous-titres"),
    "republish": lambda: _("Remplacer ce qui est en ligne"),
    "publish": lambda: _("Mettre en ligne"),
    "retract": lambda: _("Retirer du site"),
    "erase": lambda: _("Effacer"),
    "tell": lambda: _("Écrire à l’auteur"),
    "sweep": lambda: _("Vérifier ce qui attend"),
}
_LANES: Final[dict[str, Callable[[], str]]] = {
    "light": lambda: _("Mises en ligne, retraits, lettres"),
    "short": lambda: _("Premiers aperçus et contrôles"),
    "heavy": lambda: _("Vidéos qui viennent d’arriver"),
    "slow": lambda: _("Ce que personne n’attend"),
}
_JOB_STATES: Final[dict[str, Callable[[], str]]] = {
    JobState.QUEUED: lambda: _("en attente"),
    JobState.RUNNING: lambda: _("en cours"),
    JobState.DONE: lambda: _("fait"),
    JobState.FAILED: lambda: _("échoué"),
    JobState.CANCELLED: lambda: _("annulé"),
}


_LETTERS: Final[dict[str, Callable[[], str]]] = {
    "received": lambda: _("Film reçu"),
    "finish_later": lambda: _("Lien pour finir"),
    "changes_requested": lambda: _("Correction demandée"),
    "published": lambda: _("Mise en ligne"),
    "rejected": lambda: _("Refus"),
    "failed": lambda: _("Vidéo illisible"),
    "removed": lambda: _("Dépublication"),
    "withdrawn": lambda: _("Retrait"),
    "cut_ready": lambda: _("Nouvelle version à voir"),
    "invitation": lambda: _("Invitation"),
    "reminder": lambda: _("Rappel d’une invitation"),
    "co_signature": lambda: _("Demande d’accord à une personne du film"),
    "co_signature_refused": lambda: _("Une personne du film refuse"),
    "co_signature_taken_back": lambda: _("Une personne du film reprend son accord"),
    "co_renewal": lambda: _("Accord d’une personne du film à renouveler"),
    "co_ending": lambda: _("Un accord du film se termine"),
    "co_film_changed": lambda: _("Nouvelle version, dite aux personnes du film"),
    "use_taken_back": lambda: _("Un usage s’arrête"),
    "sign_in": lambda: _("Lien pour entrer"),
    "message": lambda: _("Message d’un modérateur"),
    "thanks": lambda: _("Remerciement"),
    "renewal": lambda: _("Accord à prolonger"),
    "expired": lambda: _("Accord arrivé à son terme"),
    "erased": lambda: _("Reçu d’effacement"),
    "erase_confirm": lambda: _("Effacement à confirmer"),
    "case_opened": lambda: _("Demande d’appel"),
    "mail_taken": lambda: _("Film arrivé par e-mail"),
    "mail_refused": lambda: _("E-mail refusé"),
    "promises_due": lambda: _("Réponses bientôt dues"),
    "owners_wrote": lambda: _("Auteurs qui ont écrit"),
    "jobs_failed": lambda: _("Travaux en échec"),
}


def state_word(state: str) -> str:
    """A clip's state as the studio says it."""
    return _STATES[state]()


def state_kind(state: str) -> str:
    """How a state looks: ok, warn, bad or idle."""
    return _KINDS.get(State(state), "idle")


def said_word(word: str) -> str:
    """A state or a verb of the history, in words: for the archive of an owner's data."""
    return state_word(word) if word in set(State) else verb_word(word)


def verb_word(verb: str) -> str:
    """What happened, as a fact; an unknown verb is shown as it is."""
    known = _VERBS.get(verb)
    return known() if known is not None else verb


def fields_in_words(detail: dict[str, Any]) -> str:
    """Which texts an edit touched, as a list in words, or why a clip was taken back; empty when it does not say."""
    fields = detail.get("fields") or []
    said = [_FIELDS[field]() if field in _FIELDS else str(field) for field in fields]
    return ", ".join([*said, *(_WHYS[why]() for why in [detail.get("why")] if why in _WHYS)])


def leaving_words() -> dict[str, str]:
    """Why an owner may take a clip back, by the code that is kept (`withdrawal.REASONS`)."""
    return {code: _WHYS[code]() for code in REASONS}


def job_word(kind: str) -> str:
    """What a job does."""
    return _JOBS[kind]() if kind in _JOBS else kind


def lane_word(lane: str) -> str:
    """What kind of work waits in a queue."""
    return _LANES[lane]() if lane in _LANES else lane


def job_state_word(state: str) -> str:
    """Where a job is."""
    return _JOB_STATES[state]()


def letter_word(kind: str) -> str:
    """What a letter is about; an unknown kind is shown as it is."""
    return _LETTERS[kind]() if kind in _LETTERS else kind


def sandbox_word(level: str) -> str:
    """How the film tools of a worker are shut in."""
    words = {
        "1": _("Vidéos ouvertes en cellule : Landlock, liste d’appels système, limites"),
        "2": _("Vidéos ouvertes en cellule : bubblewrap, liste d’appels système, limites"),
        "3": _("Vidéos ouvertes en cellule : utilisateur à part, liste d’appels système, limites"),
        "4": _("Aucune cellule possible sur cette machine"),
        "off": _("Sans cellule (SANDBOX=off) : une vidéo piégée atteindrait cette machine"),
    }
    return words.get(level, "")


def age(seconds: float) -> str:
    """How long something has waited, in its largest whole unit."""
    minutes = int(seconds // 60)
    if minutes < 60:
        return ngettext("depuis %(num)s min", "depuis %(num)s min", max(1, minutes))
    if minutes < 24 * 60:
        return ngettext("depuis %(num)s h", "depuis %(num)s h", minutes // 60)
    return ngettext("depuis %(num)s jour", "depuis %(num)s jours", minutes // (24 * 60))


def seconds_in(text: str) -> float | None:
    """A place in the film from "1:24", "84" or "84.5"; None for an empty field; raises Unacceptable."""
    clean = text.strip().replace(",", ".")
    if not clean:
        return None
    found = re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,5}(?:\.\d{1,3})?)", clean)
    if found is None:
        raise Unacceptable(Code.INVALID, fields={"at": Code.INVALID})
    return int(found[1] or 0) * 60 + float(found[2])
