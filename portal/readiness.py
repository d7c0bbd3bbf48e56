"""Whether a submission is whole: what review still waits for, and the step into review once nothing is missing.

Stands below the rules, so that both the owner's side and the worker's can call it last.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.lifecycle import WORKER, Actor, hold, move
from portal.models import Clip, Consent, Film, Person, State

REQUIRED_TEXTS = ("first_name", "title", "speech_lang")
REQUIRED_CONSENTS = ("site", "adult")


def newest_film(session: Session, clip: Clip) -> Film | None:
    """The owner's latest film of this clip, ready or not."""
    return session.scalars(
        select(Film).where(Film.clip_id == clip.id).order_by(Film.number.desc()).limit(1)
    ).one_or_none()


def missing(session: Session, clip: Clip) -> list[str]:
    """What review still waits for, in the form's order; the names are those of contract.md."""
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    lacks = [] if owner is not None and owner.email else ["email"]
    if not lacks and waits_for_confirmation(session, clip):
        lacks.append("email_confirmation")
    lacks += [field for field in REQUIRED_TEXTS if not getattr(clip, field).strip()]
    if lacks_music_words(clip.music, clip.music_words):
        lacks.append("music_words")
    given = set(
        session.scalars(
            select(Consent.purpose).where(Consent.clip_id == clip.id, Consent.revoked_at.is_(None))
        )
    )
    lacks += [f"consents.{purpose}" for purpose in REQUIRED_CONSENTS if purpose not in given]
    if clip.state == State.FAILED or newest_film(session, clip) is None:
        lacks.append("film")
    return lacks


def lacks_music_words(music: str, words: str) -> bool:
    """Whether somebody has a right to a film's music and does not say to which, nor where from."""
    return music == "licensed" and not words.strip()


def waits_for_confirmation(session: Session, clip: Clip) -> bool:
    """Whether nobody has shown yet that this clip comes from who reads its owner's address, and somebody must.

    A matter of the clip: what a person has confirmed for one clip says nothing of another that bears the same address.
    """
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    return owner is not None and bool(owner.email) and not clip.is_vouched


def is_film_ready(session: Session, clip: Clip) -> bool:
    """Whether the owner's latest film has all its renditions."""
    film = newest_film(session, clip)
    return film is not None and film.ready_at is not None


def settle(session: Session, clip: Clip, *, by: Actor = WORKER) -> bool:
    """Hand the clip to review when its film is ready and nothing is missing; whether it went."""
    # The owner's last word and the worker's last file may come in the same moment: the second of them must see both.
    hold(session, clip)
    if clip.state != State.PROCESSING or not is_film_ready(session, clip) or missing(session, clip):
        return False
    move(session, clip, "ready", by=by)
    return True
