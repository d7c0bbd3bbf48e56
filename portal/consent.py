"""Who agreed to which words for which clip, when and by which way; the words themselves are in wordings.py.

A consent is never deleted: taking it back, or giving it anew, closes the row.
"""

import calendar
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import wordings
from portal.database import db_now
from portal.errors import Code, Conflict
from portal.lifecycle import Actor, record
from portal.models import Campaign, Clip, Consent, ConsentText, CoSignature, SignatureState, State
from portal.people import hash_token
from portal.wordings import Wording

PURPOSES: Final[tuple[str, ...]] = wordings.OWNERS
REQUIRED: Final = ("site", "adult")
AGENT_MOST: Final = 200
LINK_MARK: Final = 16
"""How many hex digits of a link's hash are kept as its mark."""

ASKED_BEFORE: Final = timedelta(days=30)
"""Whoever agreed is asked again this long before the end; from then on the agreement can be given anew."""

RENEWABLE: Final = frozenset({
    State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED, State.EXPIRED,
})  # fmt: skip
"""States in which an agreement that ends soon, or has ended, can be given anew."""

_IPV4_KEPT: Final = 24
_IPV6_KEPT: Final = 48


@dataclass(frozen=True, slots=True)
class Proof:
    """By which way somebody agreed: the mark of the link, the shortened network address, the program.

    `lang` is the language in which the words were read; empty: the one we write to the owner in.
    """

    link: str = ""
    address: str = ""
    agent: str = ""
    lang: str = ""


NO_PROOF: Final = Proof()
NOTHING_SEEN: Final[Mapping[str, str]] = {}


def proof_of(*, token: str = "", address: str | None = None, agent: str = "", lang: str = "") -> Proof:
    """A proof from what a request brings: nothing in it leads back to the link, or to one household."""
    return Proof(
        link=hash_token(token)[:LINK_MARK] if token else "",
        address=network_of(address or ""),
        agent=" ".join(agent.split())[:AGENT_MOST],
        lang=lang,
    )


def network_of(address: str) -> str:
    """The network an address belongs to: 24 bits of IPv4, 48 of IPv6; empty for what is no address."""
    try:
        whole = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    inner = getattr(whole, "ipv4_mapped", None) or whole
    kept = _IPV4_KEPT if inner.version == 4 else _IPV6_KEPT
    return str(ipaddress.ip_network((inner, kept), strict=False))


def wording(purpose: str, lang: str, *, brand: str) -> Wording:
    """The shipped wording of a purpose in this language; raises Unacceptable for an unknown purpose."""
    return wordings.shipped(purpose, lang, brand=brand)


def asked(session: Session, campaign: Campaign, lang: str, *, brand: str) -> list[Wording]:
    """What an owner is asked in this campaign today, in the form's order."""
    return wordings.all_in_force(session, PURPOSES, lang, brand=brand, campaign=campaign)


def text_for(
    session: Session, purpose: str, lang: str, *, brand: str, campaign: Campaign | None = None
) -> ConsentText:
    """The stored text of what is read today (`wordings.text_for`)."""
    return wordings.text_for(session, purpose, lang, brand=brand, campaign=campaign)


def give(
    session: Session,
    clip: Clip,
    purposes: Iterable[str],
    *,
    lang: str,
    via: str,
    brand: str,
    proof: Proof = NO_PROOF,
    seen: Mapping[str, str] = NOTHING_SEEN,
) -> list[str]:
    """Note that the owner agrees to these purposes; the ones that are new. Raises Unacceptable for unknown ones.

    From the agreement to this site the clip's term counts. `seen` holds the hash of each text as it was read: raises
    Conflict(TEXT_CHANGED), by field, for those that are others by now.
    """
    wanted = set(purposes)
    wordings.check(wanted)
    already = standing(session, clip)
    new = [purpose for purpose in PURPOSES if purpose in wanted and purpose not in already]
    _must_be_read(session, clip, {one: seen[one] for one in new if one in seen}, proof.lang or lang, brand)
    _note(session, clip, new, lang=lang, via=via, brand=brand, proof=proof, at=db_now(session))
    return new


def _must_be_read(session: Session, clip: Clip, seen: Mapping[str, str], lang: str, brand: str) -> None:
    campaign = wordings.campaign_of(session, clip)
    today = wordings.all_in_force(session, list(seen), lang, brand=brand, campaign=campaign)
    others = [words.purpose for words in today if words.sha256 != seen[words.purpose]]
    if others:
        raise Conflict(Code.TEXT_CHANGED, fields={f"consents.{one}": Code.TEXT_CHANGED for one in others})


def renew(
    session: Session, clip: Clip, purpose: str, *, via: str, brand: str, by: Actor, proof: Proof = NO_PROOF
) -> bool:
    """Agree anew, to today's words and for another term; the former row is closed in the same moment.

    False when nothing stood that could be renewed.
    """
    wordings.check({purpose})
    former = standing(session, clip).get(purpose)
    if former is None:
        return False
    now = db_now(session)
    former.revoked_at = now
    _note(session, clip, [purpose], lang=clip.lang, via=via, brand=brand, proof=proof, at=now)
    record(session, clip, "renew", by=by, detail={"purpose": purpose})
    return True


def _note(
    session: Session,
    clip: Clip,
    purposes: Sequence[str],
    *,
    lang: str,
    via: str,
    brand: str,
    proof: Proof,
    at: datetime,
) -> None:
    campaign = wordings.campaign_of(session, clip)
    for purpose in purposes:
        text = text_for(session, purpose, proof.lang or lang, brand=brand, campaign=campaign)
        session.add(
            Consent(
                clip_id=clip.id,
                text_id=text.id,
                purpose=purpose,
                given_at=at,
                given_via=via[:16],
                link=proof.link,
                address=proof.address,
                agent=proof.agent,
                until=months_later(at, campaign.term_months) if purpose == "site" else None,
            )
        )
    session.flush()
    settle_end(session, clip)


def revoke(session: Session, clip: Clip, purpose: str, *, by: Actor) -> bool:
    """Close what was agreed to for this purpose, with a line in the audit trail; False when nothing stood."""
    wordings.check({purpose})
    consent = standing(session, clip).get(purpose)
    if consent is None:
        return False
    consent.revoked_at = db_now(session)
    session.flush()
    settle_end(session, clip)
    record(session, clip, "revoke", by=by, detail={"purpose": purpose})
    return True


def standing(session: Session, clip: Clip) -> dict[str, Consent]:
    """The consents that hold now, by purpose."""
    rows = session.scalars(
        select(Consent).where(Consent.clip_id == clip.id, Consent.revoked_at.is_(None)).order_by(Consent.id)
    )
    return {consent.purpose: consent for consent in rows}


def end_of(session: Session, clip: Clip) -> datetime | None:
    """Until when the owner alone agreed; None without an agreement to this site."""
    site = standing(session, clip).get("site")
    if site is None:
        return None
    # Rows that a program of former days wrote have no end of their own: the clip's was theirs.
    return site.until or clip.consent_until


def settle_end(session: Session, clip: Clip) -> None:
    """Until when the clip may be shown: the earliest end of the owner's agreement and those of the others in the film.

    None while the owner does not agree. Called whenever somebody answers or the owner changes who is in the film.
    """
    own = end_of(session, clip)
    agreed = (CoSignature.state == SignatureState.AGREED, CoSignature.removed_at.is_(None))
    theirs = session.scalar(
        select(func.min(CoSignature.until)).where(CoSignature.clip_id == clip.id, *agreed)
    )
    clip.consent_until = min(own, theirs) if own is not None and theirs is not None else own
    session.flush()


def months_later(at: datetime, months: int) -> datetime:
    """The same hour so many calendar months later; the last day of a month that has no such day."""
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))
