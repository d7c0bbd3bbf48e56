"""Personal invitations: from a list of customers to letters with one link each, one reminder, one clip.

Links are hashed at rest and derived from the portal's secret, so that letter and reminder carry the same one.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from config import ProofSettings, Site
from portal import campaigns, guest_lists, notices, owner_levels, people, proofs, refusals
from portal.campaigns import Standing
from portal.database import db_now
from portal.errors import Code, Conflict, Missing
from portal.guest_lists import Fault, Guest
from portal.lifecycle import OWNER, Actor
from portal.models import Campaign, Clip, Invitation, Notice, NoticeState, OwnerLevel, Person, State
from portal.notices import NoticeKind, address_hash

log = logging.getLogger(__name__)

LIFE: Final = timedelta(days=60)
"""How long a link is good from its letter on: two months to find a quiet Sunday for it."""

KEPT_AFTER: Final = timedelta(days=90)
"""So long after its end an address is kept for asking a new link; then its hash alone stays."""

FORWARDED: Final = "forwarded"
"""The proof's name where somebody takes part by an invitation that went to another address."""

_TOPIC: Final = "invitations"
_TAKES_GUESTS: Final = (Standing.OPEN, Standing.INVITED_ONLY)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A good line that makes no invitation: its address stands higher up (twice), was asked before, or refused."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a list gives: who would be invited, what is wrong, who is left out; `kept` rows were written."""

    guests: tuple[Guest, ...]
    faults: tuple[Fault, ...]
    skipped: tuple[Skipped, ...]
    ignored: tuple[str, ...]
    proven: int = 0
    kept: int = 0
    batch: str = ""


def take(
    session: Session,
    campaign: Campaign,
    raw: bytes,
    *,
    site: Site,
    settings: ProofSettings,
    by: Actor,
    keep: bool = False,
    only_good: bool = False,
) -> Report:
    """Read a list of customers; with `keep` write an invitation for each, all or none unless `only_good`.

    A line with an order or chassis number must hold in a check, where one is switched on: the guest's purchase is
    then proven. Raises Unacceptable for a file that is no list.
    """
    now = db_now(session)
    read = guest_lists.read(raw, languages=site.languages, lang=site.default_language, this_year=now.year)
    hashes = {guest.line: address_hash(guest.email) for guest in read.guests}
    asked = _asked_before(session, campaign)
    refused = refusals.refused_among(session, set(hashes.values()), _TOPIC)
    faults, skipped, rows = list(read.faults), [], []
    for guest in read.guests:
        found = hashes[guest.line]
        if found in refused or found in asked:
            skipped.append(
                Skipped(guest.line, "refused" if found in refused else "twice" if asked[found] else "asked")
            )
            continue
        asked[found] = True
        row = _row(campaign, guest, found, settings, now)
        if row is None:
            faults.append(Fault(guest.line, "number", Code.UNKNOWN_NUMBER))
        else:
            rows.append((guest, row))
    proven = sum(row.level == OwnerLevel.PURCHASE_PROVEN for _, row in rows)
    batch = ""
    if keep and rows and (only_good or not faults):
        batch = _keep(session, [row for _, row in rows], now)
        log.info("invitations kept campaign=%s rows=%s by=%s:%s", campaign.slug, len(rows), by.kind, by.id)
    ordered = tuple(sorted(faults, key=lambda fault: fault.line))
    good = tuple(guest for guest, _ in rows)
    return Report(good, ordered, tuple(skipped), read.ignored, proven, len(rows) if batch else 0, batch)


def _keep(session: Session, rows: list[Invitation], now: datetime) -> str:
    """Write the invitations down as one batch; its name."""
    batch = f"{now:%Y%m%d}-{secrets.token_hex(4)}"
    for row in rows:
        row.batch = batch
    session.add_all(rows)
    session.flush()
    return batch


def _asked_before(session: Session, campaign: Campaign) -> dict[str, bool]:
    """Whose invitation to this campaign exists; the value tells those of the list itself (True) apart."""
    known = select(Invitation.email_hash).where(Invitation.campaign_id == campaign.id)
    return dict.fromkeys(session.scalars(known), False)


def _row(
    campaign: Campaign, guest: Guest, email_hash: str, settings: ProofSettings, now: datetime
) -> Invitation | None:
    level, proof = OwnerLevel.INVITED, "list"
    if guest.number and proofs.switched_on(settings):
        found = proofs.prove(proofs.Claim(guest.number, guest.email), settings)
        if found is None:
            return None
        level, proof = OwnerLevel.PURCHASE_PROVEN, found.method
    return Invitation(
        id=secrets.token_hex(16), campaign_id=campaign.id, email=guest.email, email_hash=email_hash,
        first_name=guest.first_name, product=guest.product, owned_since=guest.owned_since, lang=guest.lang,
        level=level, proof=proof, created_at=now, expires_at=now + LIFE,
    )  # fmt: skip


# Letters -------------------------------------------------------------------------------------------------


def send(session: Session, campaign: Campaign, *, by: Actor) -> int:
    """Let the letters leave that nobody has sent yet, from now on in small batches; how many."""
    now = db_now(session)
    waiting = (
        Invitation.campaign_id == campaign.id, Invitation.due_at.is_(None), Invitation.sent_at.is_(None),
        Invitation.ended_at.is_(None), Invitation.email.is_not(None),
    )  # fmt: skip
    found = session.execute(
        update(Invitation).where(*waiting).values(due_at=now).execution_options(synchronize_session=False)
    )
    session.expire_all()
    count = int(found.rowcount)  # type: ignore[attr-defined]
    log.info("invitations sent campaign=%s rows=%s by=%s:%s", campaign.slug, count, by.kind, by.id)
    return count


def post_due(session: Session, *, at_most: int = 50) -> int:
    """Put due letters and reminders of campaigns that take clips into the outbox; how many. For the sweeper.

    Run twice at once it writes nothing twice: rows are held, and each letter has one occasion.
    """
    now = db_now(session)
    taking = [one for one, how in campaigns.standings(session).items() if how in _TAKES_GUESTS]
    if not taking:
        return 0
    first = _waiting(
        Invitation.campaign_id.in_([one.id for one in taking]),
        Invitation.sent_at.is_(None),
        Invitation.due_at <= now,
    ).order_by(Invitation.due_at)
    written = 0
    for invitation in session.scalars(first.limit(at_most)).all():
        invitation.sent_at, invitation.expires_at = now, now + LIFE
        written += _write(session, NoticeKind.INVITATION, invitation, f"invitation:{invitation.id}")
    for campaign in taking:
        if campaign.reminder_days <= 0 or written >= at_most:
            continue
        silent = _waiting(
            Invitation.campaign_id == campaign.id,
            Invitation.sent_at <= now - timedelta(days=campaign.reminder_days),
            Invitation.reminded_at.is_(None),
            Invitation.expires_at > now,
        ).order_by(Invitation.sent_at)
        for invitation in session.scalars(silent.limit(at_most - written)).all():
            invitation.reminded_at = now
            written += _write(session, NoticeKind.REMINDER, invitation, f"reminder:{invitation.id}")
    session.flush()
    return written


def _waiting(*which: Any) -> Any:
    unused = (Invitation.begun_at.is_(None), Invitation.ended_at.is_(None), Invitation.email.is_not(None))
    return select(Invitation).where(*which, *unused).with_for_update(skip_locked=True)


def _write(session: Session, kind: NoticeKind, invitation: Invitation, occasion: str) -> int:
    """One letter into the outbox; whoever does without it is not asked again."""
    address = invitation.email or ""
    if notices.write(
        session, kind, to=address, lang=invitation.lang, occasion=occasion, about=invitation.id
    ):  # fmt: skip
        return 1
    invitation.ended_at = db_now(session)
    return 0


def link(session: Session, notice: Notice, site: Site) -> str:
    """Where a letter's one action leads: to the invitation, or to the clip that was begun with it.

    Raises Missing(GONE) when the invitation is no good any more.
    """
    invitation = session.get(Invitation, notice.about)
    if invitation is None or not campaigns.is_good(invitation, db_now(session)):
        raise Missing(Code.GONE, notice=notice.id)
    token = _token(invitation, site.secret_key)
    invitation.token_hash = people.hash_token(token)
    session.flush()
    return f"{site.url}/i/{token}"


def told(session: Session, notice: Notice) -> dict[str, Any]:
    """What a letter says of its invitation; read when it is written, kept in no outbox."""
    invitation = session.get(Invitation, notice.about)
    if invitation is None:
        return {}
    campaign = session.get_one(Campaign, invitation.campaign_id)
    text = campaigns.text_of(campaign, notice.lang, invitation.lang)
    ends = [moment for moment in (invitation.expires_at, campaign.closes_at) if moment is not None]
    return {
        "first_name": invitation.first_name,
        "question": text.question or text.title,
        "title": text.title,
        "in_return": text.in_return,
        "until": (min(ends) - timedelta(microseconds=1)).isoformat(),
        "answer_days": campaign.answer_days,
    }


def _token(invitation: Invitation, key: str) -> str:
    said = f"invitation:{invitation.id}:{invitation.link_number}"
    return (
        base64.urlsafe_b64encode(hmac.digest(key.encode(), said.encode(), hashlib.sha256))
        .decode()
        .rstrip("=")
    )


# The one who was asked -----------------------------------------------------------------------------------


def by_token(session: Session, token: str) -> Invitation:
    """The invitation behind this link, good or not; raises Missing."""
    found = session.scalars(
        select(Invitation).where(Invitation.token_hash == people.hash_token(token))
    ).one_or_none()
    if found is None:
        raise Missing(Code.MISSING)
    return found


def opened(session: Session, invitation: Invitation) -> None:
    """Somebody looks at it, or a mail scanner does: the first time counts, and changes nothing else."""
    if invitation.opened_at is None:
        invitation.opened_at = db_now(session)
        session.flush()


def use(session: Session, invitation: Invitation, clip: Clip, *, by: Actor) -> None:
    """Begin this clip with the invitation: its link is used up, and its owner counts as `confirm_owner` says.

    Raises Conflict(INVITATION_OVER) for the second of two.
    """
    now = db_now(session)
    mine = (Invitation.id == invitation.id, Invitation.begun_at.is_(None), Invitation.ended_at.is_(None))
    taken = session.execute(
        update(Invitation)
        .where(*mine)
        .values(clip_id=clip.id, begun_at=now, opened_at=func.coalesce(Invitation.opened_at, now))
        .execution_options(synchronize_session=False)
    )
    session.refresh(invitation)
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(Code.INVITATION_OVER)
    clip.invitation_id = invitation.id
    session.flush()
    _call_off(session, invitation, NoticeKind.INVITATION, NoticeKind.REMINDER)
    confirm_owner(session, clip, by=by)


def release(session: Session, clip: Clip) -> None:
    """Give an invitation back whose draft never became a film: its link, or a fresh one, opens another."""
    session.execute(
        update(Invitation)
        .where(Invitation.clip_id == clip.id, Invitation.email.is_not(None))
        .values(clip_id=None, begun_at=None)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()


def confirm_owner(session: Session, clip: Clip, *, by: Actor = OWNER) -> None:
    """What an invitation says of the clip's owner: all of it under the address that was asked, little under another.

    Whoever began with a mailed link under the address it was mailed to reads that mailbox, and counts as what the list
    proved. A link that was handed on proves no purchase of whoever uses it.
    """
    invitation = session.get(Invitation, clip.invitation_id) if clip.invitation_id is not None else None
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    if invitation is None or owner is None:
        return
    if not invitation.email or owner.email != invitation.email:
        owner_levels.raise_to(session, clip, OwnerLevel.INVITED, method=FORWARDED, by=by)
        return
    owner_levels.raise_to(session, clip, OwnerLevel(invitation.level), method=invitation.proof, by=by)
    if invitation.sent_at is not None:
        people.vouch(session, clip)


def ask_again(session: Session, invitation: Invitation) -> bool:
    """Send a fresh link, once a day at most, to the address that was invited and to no other; whether there is one.

    Of a clip that was begun, its owner gets the link to go on. Nothing happens where it was called off or the
    campaign takes nothing; whoever asks is told the same.
    """
    now = db_now(session)
    if invitation.clip_id is not None:
        clip = session.get(Clip, invitation.clip_id)
        if clip is not None and clip.state not in (State.WITHDRAWN, State.ERASED):
            is_draft = clip.state in (State.DRAFT, State.UPLOADING)
            kind = NoticeKind.FINISH_LATER if is_draft else NoticeKind.FRESH_LINK
            occasion = f"invited_clip:{invitation.id}:{now:%Y%m%d}"
            return notices.tell(session, kind, clip, occasion=occasion, facts={"is_lost": True}) is not None
        return False
    campaign = session.get_one(Campaign, invitation.campaign_id)
    is_over = invitation.ended_at is not None or invitation.email is None or invitation.sent_at is None
    if is_over or campaigns.standing(session, campaign) not in _TAKES_GUESTS:
        return False
    if invitation.expires_at <= now:
        invitation.link_number += 1
        invitation.expires_at = now + LIFE
    written = _write(session, NoticeKind.INVITATION, invitation, f"invitation:{invitation.id}:{now:%Y%m%d}")
    session.flush()
    return written > 0


def ask_again_by_address(session: Session, email: str) -> None:
    """The same for somebody who lost the letter: the newest invitation to this address that can still be used."""
    rows = select(Invitation).where(Invitation.email_hash == address_hash(email))
    for found in session.scalars(rows.order_by(Invitation.created_at.desc(), Invitation.id)).all():
        if ask_again(session, found):
            return


# Staff ---------------------------------------------------------------------------------------------------


def end(session: Session, invitation: Invitation, *, by: Actor) -> None:
    """Call an unused invitation off: its link and its letters count no more; a used one stays as it is."""
    if invitation.begun_at is not None or invitation.ended_at is not None:
        return
    invitation.ended_at = db_now(session)
    _call_off(session, invitation, NoticeKind.INVITATION, NoticeKind.REMINDER)
    session.flush()
    log.info("invitation ended id=%s by=%s:%s", invitation.id, by.kind, by.id)


def by_id(session: Session, campaign: Campaign, invitation_id: str) -> Invitation:
    """One invitation of this campaign; raises Missing."""
    found = session.get(Invitation, invitation_id)
    if found is None or found.campaign_id != campaign.id:
        raise Missing(Code.MISSING)
    return found


def of(session: Session, campaign: Campaign, *, skip: int = 0, limit: int = 100) -> Sequence[Invitation]:
    """The invitations to a campaign, newest first."""
    rows = select(Invitation).where(Invitation.campaign_id == campaign.id)
    ordered = rows.order_by(Invitation.created_at.desc(), Invitation.id).offset(skip).limit(limit)
    return session.scalars(ordered).all()


def counts(session: Session, campaign: Campaign) -> tuple[int, int]:
    """How many invitations there are, and how many of them nobody has sent yet."""
    unsent = func.count().filter(
        Invitation.due_at.is_(None), Invitation.sent_at.is_(None), Invitation.ended_at.is_(None),
        Invitation.email.is_not(None),
    )  # fmt: skip
    asked = select(func.count(), unsent).where(Invitation.campaign_id == campaign.id)
    every, waiting = session.execute(asked).one()
    return every, waiting


def state_of(invitation: Invitation, now: datetime) -> str:
    """One word for the list: begun, ended, expired, opened, reminded, sent, due or kept."""
    if invitation.begun_at is not None:
        return "begun"
    if invitation.ended_at is not None:
        return "ended"
    if invitation.sent_at is not None and invitation.expires_at <= now:
        return "expired"
    marks = (
        ("opened", invitation.opened_at),
        ("reminded", invitation.reminded_at),
        ("sent", invitation.sent_at),
    )
    return next((word for word, at in marks if at is not None), "due" if invitation.due_at else "kept")


# Forgetting ----------------------------------------------------------------------------------------------


def forget_old(session: Session) -> int:
    """Forget who did not come, 90 days after the link's end; how many. For the sweeper."""
    before = db_now(session) - KEPT_AFTER
    return refusals.forget_guests(session, Invitation.clip_id.is_(None), Invitation.expires_at < before)


def _call_off(session: Session, invitation: Invitation, *kinds: NoticeKind) -> None:
    waiting = (Notice.about == invitation.id, Notice.kind.in_(kinds), Notice.state == NoticeState.WAITING)
    session.execute(
        update(Notice)
        .where(*waiting)
        .values(state=NoticeState.CANCELLED, address=None, error_detail=None)
        .execution_options(synchronize_session=False)
    )
