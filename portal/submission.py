"""The owner's words and consents for one clip, from the first draft to the answer to a moderator.

Knows the owner by the clip's magic link. Never touches bytes: films arrive through `uploads`.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Site
from portal import (
    campaigns,
    captions,
    consent,
    invitations,
    lifecycle,
    notices,
    offers,
    ownership,
    people,
    readiness,
    search,
    signatures,
    themes,
    uses,
)
from portal.consent import NO_PROOF, NOTHING_SEEN, Proof
from portal.corrections import EARLIEST_YEAR
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, PortalError, Unacceptable
from portal.lifecycle import Actor
from portal.models import Campaign, Clip, ClipLink, Invitation, Person, State
from portal.ownership import BY_LINK, Access

LINK_DAYS: Final = 90
VOUCHING: Final = frozenset({"api", "import", "demo"})
"""Channels by which a program or staff begins a clip: they answer for the owner's address."""

BETWEEN: Final = " ; "
"""Between what the call gives in return and what an owner had besides."""

LONGEST: Final = {
    "title": 80,
    "first_name": 40,
    "city": 60,
    "product": 60,
    "incentive": 200,
    "music_words": 200,
}
MOST_PEOPLE: Final = 20
MUSIC: Final = ("", "none", "own", "licensed")
RELATIONS: Final = ("", "staff", "family", "partner")
"""What an owner may be to the brand beside a customer."""

# What an owner may speak in the film; the site's own languages come first on the page.
SPEECH_LANGUAGES: Final = (
    "fr", "en", "de", "it", "es", "pt", "nl", "lb", "da", "sv", "nb", "fi", "is", "ga", "pl", "cs", "sk", "sl",
    "hr", "sr", "hu", "ro", "bg", "el", "et", "lv", "lt", "mt", "uk", "ru", "tr", "ar", "he", "fa", "hi", "zh",
    "ja", "ko", "ca", "eu", "br", "co", "gsw",
)  # fmt: skip
# A moderator has not yet decided on these words; later ones stay as they were decided on.
EDITABLE: Final = frozenset({
    State.DRAFT, State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.FAILED,
})  # fmt: skip
# Where the site's required consents may still be taken back without withdrawing the clip.
_UNDECIDED: Final = EDITABLE - {State.IN_REVIEW}
_WITH_MODERATORS: Final = (State.IN_REVIEW, State.CHANGES_REQUESTED)
_CODE: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Texts:
    """What the owner tells; None leaves a field as it is, `cleared` names dates to be emptied."""

    email: str | None = None
    first_name: str | None = None
    title: str | None = None
    themes: list[str] | None = None
    speech_lang: str | None = None
    city: str | None = None
    product: str | None = None
    owned_since: int | None = None
    filmed_on: date | None = None
    incentive: str | None = None
    altered: bool | None = None
    music: str | None = None
    music_words: str | None = None
    relation: str | None = None
    people: list[signatures.Named] | None = None
    cleared: frozenset[str] = frozenset()


class OldLink(Missing):
    """A link to this clip that was good once: its owner may have a fresh one, and nobody else."""


def begin(  # noqa: PLR0913 - what a draft is made of
    session: Session,
    campaign: Campaign,
    *,
    lang: str,
    texts: Texts,
    consents: Iterable[str],
    channel: str,
    by: Actor,
    site: Site,
    token: str | None = None,
    proof: Proof = NO_PROOF,
    invitation: Invitation | None = None,
    seen: Mapping[str, str] = NOTHING_SEEN,
    inside: int | None = None,
) -> tuple[Clip, str]:
    """Keep a first draft; the clip and the token of its magic link, which is stored nowhere.

    Before a moderator looks at it the owner must have opened a letter of ours about it, unless the channel vouches
    for the address, its owner is signed in here (`inside`), or the portal does not ask for it.

    `token` lets a form bring its own random one, so that sending it twice finds the first draft. An `invitation` is
    used up by it and tells what `texts` leaves open. `seen`: as in `consent.give`.
    Raises as `campaigns.admit` and `consent.give` do, and Unacceptable with the faults by field.
    """
    campaigns.admit(session, campaign, invitation)
    clip = Clip(
        id="".join(secrets.choice(_CODE) for _ in range(10)),
        campaign_id=campaign.id,
        lang=lang,
        channel=channel,
        is_vouched=channel in VOUCHING or not site.confirms_email,
    )
    lifecycle.begin(session, clip, by=by)
    access = Access(inside, vouches=clip.is_vouched)
    _apply(session, clip, texts if invitation is None else _with_known(texts, invitation), access)
    if invitation is not None:
        invitations.use(session, invitation, clip, by=by)
    consent.give(session, clip, consents, lang=lang, via=channel, brand=site.brand, proof=proof, seen=seen)
    return clip, new_link(session, clip, token=token)


def _with_known(texts: Texts, invitation: Invitation) -> Texts:
    """What somebody tells, and for the rest what the invitation knows."""
    known = {name: getattr(invitation, name) for name in ("email", "first_name", "product", "owned_since")}
    open_fields = {name for name in known if getattr(texts, name) is None} - texts.cleared
    return replace(texts, **{name: known[name] for name in open_fields if known[name]})


def by_link(session: Session, token: str) -> Clip:
    """The clip that this magic link opens; raises Missing for an unknown one, OldLink when its time is over."""
    link = _link(session, token)
    if link is None:
        raise Missing(Code.MISSING)
    if link.expires_at <= db_now(session):
        raise OldLink(Code.GONE)
    return session.get_one(Clip, link.clip_id)


def write_fresh_link(session: Session, token: str) -> bool:
    """Send a fresh link to the mailbox of whoever owns the clip of this old one; whether there is such a mailbox.

    One letter in ten minutes at most. Raises Missing for a link that nobody had.
    """
    link = _link(session, token)
    if link is None:
        raise Missing(Code.MISSING)
    clip = session.get_one(Clip, link.clip_id)
    if clip.owner_id is None:
        return False
    occasion = f"fresh_link:{clip.id}:{clip.owner_id}:{_slot(session)}"
    notices.tell(session, notices.NoticeKind.FRESH_LINK, clip, occasion=occasion)
    return True


def _link(session: Session, token: str) -> ClipLink | None:
    asked = select(ClipLink).where(ClipLink.token_hash == people.hash_token(token))
    return session.scalars(asked).one_or_none()


def _slot(session: Session) -> int:
    """The ten minutes that it is: of letters that anybody can ask for, one in each."""
    return int(db_now(session).timestamp()) // 600


def link_until(session: Session, token: str) -> datetime | None:
    """How long this magic link opens its clip; None for an unknown one."""
    return session.scalar(select(ClipLink.expires_at).where(ClipLink.token_hash == people.hash_token(token)))


def new_link(session: Session, clip: Clip, *, token: str | None = None, mailed_to: int | None = None) -> str:
    """Another token for the owner's magic link to this clip, good for 90 days; only its hash is kept.

    `mailed_to`: the person to whose address alone it goes, so that using it proves who reads that mailbox.
    """
    token = token or people.new_token()
    now = db_now(session)
    session.add(
        ClipLink(
            clip_id=clip.id,
            token_hash=people.hash_token(token),
            created_at=now,
            expires_at=now + timedelta(days=LINK_DAYS),
            mailed_to_id=mailed_to,
        )
    )
    session.flush()
    return token


def is_mailed_link(session: Session, clip: Clip, token: str) -> bool:
    """Whether this link was sent to the present owner's address and nowhere else."""
    link = _link(session, token)
    return link is not None and link.mailed_to_id is not None and link.mailed_to_id == clip.owner_id


def confirm(session: Session, clip: Clip, token: str, *, by: Actor) -> None:
    """The owner came by a letter of ours: this clip is theirs, and goes on if it lacked nothing else.

    Other clips under the same address say nothing of their sender, and wait on. Harmless twice. Raises NotAllowed for
    a link that was not sent to the owner's present address.
    """
    lifecycle.hold(session, clip)
    if not is_mailed_link(session, clip, token):
        raise NotAllowed(Code.NOT_ALLOWED)
    people.vouch(session, clip)
    readiness.settle(session, clip, by=by)


def write_again(session: Session, clip: Clip) -> None:
    """Send the letter with the link that confirms the address once more; at most one every ten minutes.

    Raises Conflict when there is nothing to confirm.
    """
    if not readiness.waits_for_confirmation(session, clip):
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    kind = notices.NoticeKind.FINISH_LATER if clip.state == State.DRAFT else notices.NoticeKind.RECEIVED
    occasion = f"again:{clip.id}:{clip.owner_id}:{_slot(session)}"
    notices.tell(session, kind, clip, occasion=occasion, facts={"confirm": True})


def edit(session: Session, clip: Clip, texts: Texts, *, by: Actor, access: Access = BY_LINK) -> list[str]:
    """Change the owner's words, note which fields changed, and hand the clip on when that was all it lacked.

    Another address waits to be confirmed anew; the links that were mailed to the former one end.
    Raises Conflict once a moderator has decided, Unacceptable with the faults by field.
    """
    lifecycle.hold(session, clip)
    if clip.state not in EDITABLE:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    changed = _apply(session, clip, texts, access)
    if changed:
        lifecycle.record(session, clip, "edit", by=by, detail={"fields": changed})
    if "email" in changed:
        _acknowledge(session, clip)
    if "speech_lang" in changed:
        captions.declared_anew(session, clip)
    _hand_on(session, clip, by=by)
    return changed


def agree(
    session: Session,
    clip: Clip,
    consents: Iterable[str],
    *,
    by: Actor,
    site: Site,
    taken_back: Iterable[str] = (),
    proof: Proof = NO_PROOF,
    seen: Mapping[str, str] = NOTHING_SEEN,
) -> None:
    """Note new consents and those taken back; what is in neither stays. Hands the clip on as `edit` does.

    Raises as `consent.give` does, and Conflict when a required consent is taken back from a clip that
    is with the moderators or later: withdrawing the clip is the way there.
    """
    lifecycle.hold(session, clip)
    if clip.state not in lifecycle.LIVING:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    back = set(taken_back) & set(consent.standing(session, clip)) if taken_back else set()
    if back & set(consent.REQUIRED) and clip.state not in _UNDECIDED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    new = consent.give(
        session, clip, consents, lang=clip.lang, via=clip.channel, brand=site.brand, proof=proof, seen=seen
    )
    if new:
        lifecycle.record(session, clip, "agree", by=by, detail={"purposes": new})
    for purpose in sorted(back):
        consent.revoke(session, clip, purpose, by=by)
    uses.tell(session, clip, uses.Why.REVOKED, back)
    _hand_on(session, clip, by=by)


def answer(session: Session, clip: Clip, texts: Texts, *, by: Actor, access: Access = BY_LINK) -> None:
    """Send a clip back to review with changed words only; a new film goes through `uploads`.

    Raises Conflict when nothing was asked for, or (INCOMPLETE) when review would still wait for something.
    """
    lifecycle.hold(session, clip)
    if clip.state != State.CHANGES_REQUESTED:
        raise Conflict(Code.CONFLICT, state=clip.state, version=clip.version)
    edit(session, clip, texts, by=by, access=access)
    lacks = readiness.missing(session, clip)
    if lacks or not readiness.is_film_ready(session, clip):
        raise Conflict(Code.INCOMPLETE, missing=lacks or ["film"])
    lifecycle.move(session, clip, "answer", by=by)


def finish_later(session: Session, clip: Clip) -> None:
    """Send the owner the link to a draft, once a day; raises Unacceptable while we know no address."""
    if clip.owner_id is None:
        raise Unacceptable(Code.REQUIRED, fields={"email": Code.REQUIRED})
    occasion = f"finish_later:{clip.id}:{db_now(session).date()}"
    notices.tell(session, notices.NoticeKind.FINISH_LATER, clip, occasion=occasion)


def missing(session: Session, clip: Clip) -> list[str]:
    """What review still waits for: email, first_name, title, speech_lang, consents.site, consents.adult, film.

    Also email_confirmation, where the portal asks for it, and music_words, where the music is somebody else's.
    """
    return readiness.missing(session, clip)


def settle(session: Session, clip: Clip) -> bool:
    """Hand the clip to review when its film is ready and nothing is missing; whether it went."""
    return readiness.settle(session, clip)


def _hand_on(session: Session, clip: Clip, *, by: Actor) -> None:
    if not {*readiness.missing(session, clip)} - {"email_confirmation"}:
        # What asked for words and agreements has become untrue.
        notices.cancel(session, clip, notices.NoticeKind.FINISH_LATER)
    readiness.settle(session, clip, by=by)


def _acknowledge(session: Session, clip: Clip) -> None:
    # The film may have come before the address: then this is the first moment to say so.
    film = readiness.newest_film(session, clip)
    if film is not None:
        occasion = f"received:{film.id}:{clip.owner_id}"
        facts = {"confirm": readiness.waits_for_confirmation(session, clip)}
        notices.tell(session, notices.NoticeKind.RECEIVED, clip, occasion=occasion, facts=facts)


def _apply(session: Session, clip: Clip, texts: Texts, access: Access) -> list[str]:
    """Write what differs onto the clip; the names of the changed fields. Raises Unacceptable with all faults."""
    wanted, faults = _checked(session, texts)
    if offers.not_offered(session, clip, texts.themes or []):
        faults["themes"] = Code.THEME_NOT_OFFERED
    # What is not with a moderator yet may stay unfinished: there it is among what is missing.
    if clip.state in _WITH_MODERATORS and _unnames_music(clip, wanted):
        faults.setdefault("music_words", Code.MUSIC_UNNAMED)
    owner = _named(session, clip, texts, access, faults)
    wanted["incentive"] = _with_return(session, clip, wanted.get("incentive", clip.incentive))
    if len(wanted["incentive"]) > LONGEST["incentive"]:
        faults.setdefault("incentive", Code.TOO_LONG_TEXT)
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    changed = [field for field, value in wanted.items() if getattr(clip, field) != value]
    for field in changed:
        setattr(clip, field, wanted[field])
    if owner is not None and ownership.hand_to(session, clip, owner, access):
        changed.append("email")
    ownership.recognise(session, clip, access)
    if texts.themes is not None and themes.set_themes(session, clip, texts.themes):
        changed.append("themes")
    if texts.people is not None and signatures.declare(session, clip, texts.people):
        changed.append("people")
    if changed:
        clip.search_text = search.text_of(clip)
        session.flush()
    return changed


def _named(
    session: Session, clip: Clip, texts: Texts, access: Access, faults: dict[str, Code]
) -> Person | None:
    """Who reads the address that is told; None without one, and for one that cannot be taken."""
    if not texts.email:
        return None
    try:
        owner = people.person_for_email(session, texts.email, lang=clip.lang, name=texts.first_name or "")
    except PortalError as error:
        faults["email"] = error.code
        return None
    if not ownership.may_change(session, clip, access, to=owner.id):
        faults["email"] = Code.EMAIL_SETTLED
    return owner


def _with_return(session: Session, clip: Clip, words: str) -> str:
    """What the owner has had, and what the call gives in return: that is said under every clip, by whomever.

    What it gave when the clip was begun stays, whatever it gives by now.
    """
    given_then = clip.incentive.partition(BETWEEN)[0]
    if given_then and given_then in words:
        return words
    campaign = session.get_one(Campaign, clip.campaign_id)
    by_lang = {text.lang: text.in_return for text in campaign.texts}
    given = by_lang.get(clip.lang) or next((said for said in by_lang.values() if said), "")
    if not given or given in words:
        return words
    return f"{given}{BETWEEN}{words}" if words else given


def _checked(session: Session, texts: Texts) -> tuple[dict[str, Any], dict[str, Code]]:
    """The columns to write, tidied, and the faults by field."""
    wanted: dict[str, Any] = {}
    faults: dict[str, Code] = {}
    for field, most in LONGEST.items():
        value = getattr(texts, field)
        if value is not None:
            wanted[field] = " ".join(value.split())
            if len(wanted[field]) > most:
                faults[field] = Code.TOO_LONG_TEXT
    if texts.speech_lang is not None:
        wanted["speech_lang"] = texts.speech_lang
        if texts.speech_lang and texts.speech_lang not in SPEECH_LANGUAGES:
            faults["speech_lang"] = Code.UNKNOWN_LANGUAGE
    if texts.altered is not None:
        wanted["altered"] = texts.altered
    for field, known in (("music", MUSIC), ("relation", RELATIONS)):
        if (value := getattr(texts, field)) is not None:
            wanted[field] = value
            if value not in known:
                faults[field] = Code.INVALID
    _check_people(texts, faults)
    _check_dates(session, texts, wanted, faults)
    return wanted, faults


def _unnames_music(clip: Clip, wanted: Mapping[str, Any]) -> bool:
    """Whether these words leave music that is somebody else's without its name and its right."""
    is_touched = bool(wanted.keys() & {"music", "music_words"})
    after = [wanted.get(name, getattr(clip, name)) for name in ("music", "music_words")]
    return is_touched and readiness.lacks_music_words(*after)


def _check_people(texts: Texts, faults: dict[str, Code]) -> None:
    if texts.people is not None:
        faults |= signatures.faults(texts.people)
        if len(texts.people) > MOST_PEOPLE:
            faults["people"] = Code.TOO_MANY


def _check_dates(session: Session, texts: Texts, wanted: dict[str, Any], faults: dict[str, Code]) -> None:
    today = db_now(session).date()
    wanted |= dict.fromkeys(texts.cleared & {"owned_since", "filmed_on"})
    if texts.owned_since is not None:
        wanted["owned_since"] = texts.owned_since
        if not EARLIEST_YEAR <= texts.owned_since <= today.year:
            faults["owned_since"] = Code.WRONG_DATE
    if texts.filmed_on is not None:
        wanted["filmed_on"] = texts.filmed_on
        # One day of grace: it is tomorrow already further east.
        if not date(EARLIEST_YEAR, 1, 1) <= texts.filmed_on <= today + timedelta(days=1):
            faults["filmed_on"] = Code.WRONG_DATE
