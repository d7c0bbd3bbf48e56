"""The letters: composed from templates/email in their reader's language, with one action each.

Mints the link that a letter carries when it is written; never sends, never decides who is written to.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy.orm import Session

from config import ROOT, Site
from portal import (
    addresses,
    edit_words,
    invitations,
    people,
    reasons,
    receipt_words,
    receipts,
    retention,
    signatures,
    submission,
    support,
    team_letters,
    thread,
    views,
)
from portal.edits import EditList
from portal.errors import Code, Missing
from portal.i18n import format_clock, format_date, format_datetime, language, raw_gettext, raw_ngettext
from portal.models import Campaign, Clip, CoSignature, Cut, Decision, Notice, Person
from portal.notices import CUT_OCCASION, TOPICS, NoticeKind, address_hash
from portal.typography import on_one_line

UNDO_HOURS = 24


@dataclass(frozen=True, slots=True)
class Said:
    """One reason as the owner reads it: code, place in the film, the moderator's own words."""

    code: str
    at_seconds: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One composed letter."""

    subject: str
    text: str
    html: str
    lang: str
    # Where answers go, and where letters of this kind are called off; empty where there is no such place.
    reply_to: str = ""
    refuse_url: str = ""


@dataclass(frozen=True, slots=True)
class _Letter:
    """What the templates may speak of."""

    title: str
    first_name: str
    clip_url: str
    action_url: str
    site: Site
    reasons: list[dict[str, str]] = field(default_factory=list)
    fault: str = ""
    until: str = ""
    changes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    reply_to: str = ""
    refuse_url: str = ""


def action_link(session: Session, notice: Notice, *, site: Site) -> str:
    """A fresh address for the letter's one action: tokens are hashed at rest, an old one cannot be read again.

    Raises Missing when what the letter speaks of is gone.
    """
    return _LINKS.get(NoticeKind(notice.kind), _to_status)(session, notice, site)


def _to_status(session: Session, notice: Notice, site: Site) -> str:
    clip = session.get(Clip, notice.clip_id) if notice.clip_id is not None else None
    if clip is None:
        raise Missing(Code.MISSING, notice=notice.id)
    if notice.person_id is not None and notice.person_id != clip.owner_id:
        # The address was put right while this letter was on its way to the former one.
        raise Missing(Code.GONE, notice=notice.id)
    return status_address(site, clip.lang, submission.new_link(session, clip, mailed_to=notice.person_id))


def _to_enter(session: Session, notice: Notice, site: Site) -> str:
    person = _reader(session, notice)
    return f"{site.url}/{notice.lang or person.lang}/me/enter/{people.enter_link(session, person)}"


def _to_erase(session: Session, notice: Notice, site: Site) -> str:
    person = _reader(session, notice)
    return f"{site.url}/{notice.lang or person.lang}/me/erase/{people.erase_link(session, person)}"


def _reader(session: Session, notice: Notice) -> Person:
    person = session.get(Person, notice.person_id) if notice.person_id is not None else None
    if person is None or not person.email:
        raise Missing(Code.GONE, notice=notice.id)
    return person


def _to_receipt(_session: Session, notice: Notice, site: Site) -> str:
    home = f"{site.url}/{notice.lang or site.default_language}"
    return f"{home}/receipt/{notice.about}" if notice.about else f"{home}/"


def _to_signature(session: Session, notice: Notice, site: Site) -> str:
    """The link of somebody in a film; raises Missing when the owner has taken that name off the list meanwhile."""
    row = session.get(CoSignature, notice.about)
    if row is None or row.removed_at is not None:
        raise Missing(Code.GONE, notice=notice.id)
    token = signatures.open_link(session, row, key=site.secret_key)
    return f"{site.url}/{notice.lang or site.default_language}/a/{token}"


def _to_renewal(session: Session, notice: Notice, site: Site) -> str:
    return f"{_to_status(session, notice, site)}/renew"


def _to_sheet(_session: Session, notice: Notice, site: Site) -> str:
    return f"{site.url}/studio/review/{notice.clip_id}"


def _to_call(session: Session, notice: Notice, site: Site) -> str:
    """Where a mail was refused: the clip that waits, else the page of the calls."""
    if notice.clip_id is not None:
        return _to_status(session, notice, site)
    return f"{site.url}/{notice.lang or site.default_language}/participate"


def _to_thread(session: Session, notice: Notice, site: Site) -> str:
    return f"{_to_status(session, notice, site)}#messages"


def _to_clip(_session: Session, notice: Notice, site: Site) -> str:
    """The public page: thanks are handed on, and a link of the owner's own would go with them."""
    return f"{site.url}/{notice.lang or site.default_language}/c/{notice.clip_id}"


def _to_contact(_session: Session, notice: Notice, site: Site) -> str:
    """Where it says how to write to us: the clip itself is another address's by now."""
    return f"{site.url}/{notice.lang or site.default_language}/pages/legal"


def _to_case(_session: Session, notice: Notice, site: Site) -> str:
    return f"{site.url}/studio/support/{notice.about}"


def _to_queue(_session: Session, notice: Notice, site: Site) -> str:
    return f"{site.url}/studio/review" + ("?flag=replies" if notice.facts.get("messages") else "")


def _to_due(session: Session, notice: Notice, site: Site) -> str:
    """Clips first; where calls alone are late, to these."""
    is_calls_alone = bool(notice.facts.get("calls")) and not notice.facts.get("count")
    return f"{site.url}/studio/support" if is_calls_alone else _to_queue(session, notice, site)


def _to_failures(_session: Session, _notice: Notice, site: Site) -> str:
    return f"{site.url}/studio/settings"


_LINKS: Final[Mapping[NoticeKind, Callable[[Session, Notice, Site], str]]] = {
    NoticeKind.INVITATION: invitations.link,
    NoticeKind.REMINDER: invitations.link,
    NoticeKind.SIGN_IN: _to_enter,
    NoticeKind.ERASE_CONFIRM: _to_erase,
    NoticeKind.ERASED: _to_receipt,
    NoticeKind.CO_SIGNATURE: _to_signature,
    NoticeKind.CO_SIGNATURE_TAKEN_BACK: _to_sheet,
    NoticeKind.CO_RENEWAL: _to_signature,
    NoticeKind.CO_FILM_CHANGED: _to_signature,
    NoticeKind.USE_TAKEN_BACK: _to_sheet,
    NoticeKind.MAIL_REFUSED: _to_call,
    NoticeKind.RENEWAL: _to_renewal,
    NoticeKind.EXPIRED: _to_renewal,
    NoticeKind.MESSAGE: _to_thread,
    NoticeKind.THANKS: _to_clip,
    NoticeKind.CASE_OPENED: _to_case,
    NoticeKind.PROMISES_DUE: _to_due,
    NoticeKind.OWNERS_WROTE: _to_queue,
    NoticeKind.JOBS_FAILED: _to_failures,
    NoticeKind.ADDRESS_CHANGED: _to_contact,
}


def _receipt(session: Session, notice: Notice) -> dict[str, Any]:
    facts = receipts.by_number(session, notice.about).facts if notice.about else notice.facts
    return {
        "which": receipt_words.which(facts),
        "lines": receipt_words.lines(facts),
        "looked_for": receipt_words.looked_for(),
        "stays": receipt_words.stays(),
        "person": receipt_words.person(facts),
        "number": notice.about[:8],
    }


def _why(_session: Session, notice: Notice) -> dict[str, Any]:
    return {"why": reasons.sentence(Code(notice.facts["reason"]))}


def _promise(session: Session, notice: Notice) -> dict[str, Any]:
    clip = session.get(Clip, notice.clip_id)
    call = session.get(Campaign, clip.campaign_id) if clip is not None else None
    return {"days": call.answer_days} if call is not None else {}


def _withdrawn(session: Session, notice: Notice) -> dict[str, Any]:
    clip = session.get(Clip, notice.clip_id) if notice.clip_id is not None else None
    return {"was_public": clip is not None and clip.published_at is not None}


def _ending(session: Session, notice: Notice) -> dict[str, Any]:
    """The day on which all of it is erased if nothing happens until then; nothing where no day is set."""
    clip = session.get(Clip, notice.clip_id) if notice.clip_id is not None else None
    day = retention.erased_on(session, clip) if clip is not None else None
    return {"erased_on": format_date(day)} if day is not None else {}


# What a letter says beside, made when it is written: in its reader's language, and nothing of it is stored.
_FACTS: Final[Mapping[NoticeKind, Callable[[Session, Notice], dict[str, Any]]]] = {
    NoticeKind.ERASED: _receipt,
    NoticeKind.INVITATION: invitations.told,
    NoticeKind.REMINDER: invitations.told,
    NoticeKind.MAIL_REFUSED: _why,
    NoticeKind.RECEIVED: _promise,
    NoticeKind.WITHDRAWN: _withdrawn,
    NoticeKind.FINISH_LATER: _ending,
    NoticeKind.CHANGES_REQUESTED: _ending,
    NoticeKind.REJECTED: _ending,
    NoticeKind.REMOVED: _ending,
    NoticeKind.FAILED: _ending,
    NoticeKind.EXPIRED: _ending,
    NoticeKind.PUBLISHED: views.approval_line,
    NoticeKind.MESSAGE: thread.told,
    NoticeKind.THANKS: views.told,
    NoticeKind.CASE_OPENED: support.told,
    NoticeKind.PROMISES_DUE: team_letters.told,
    NoticeKind.JOBS_FAILED: team_letters.told,
}


def _facts_of(session: Session, notice: Notice, lang: str) -> dict[str, Any]:
    told = _FACTS.get(NoticeKind(notice.kind))
    if told is None:
        return dict(notice.facts)
    with language(lang):
        return dict(notice.facts) | told(session, notice)


def compose(session: Session, notice: Notice, *, site: Site, link: str, inbox: str = "") -> Mail:
    """The letter of a notice in its reader's language; `link` is where its one action leads (`action_link`).

    `inbox` is the portal's own mailbox, if it reads one: answers then reach the clip's thread.
    """
    clip = session.get(Clip, notice.clip_id) if notice.clip_id is not None else None
    decision = session.get(Decision, notice.decision_id) if notice.decision_id is not None else None
    said = [Said(one.code, one.at_seconds, one.words) for one in decision.reasons] if decision else []
    cut = session.get(Cut, notice.occasion.removeprefix(CUT_OCCASION))
    edits = EditList() if cut is None else EditList.from_json(cut.edits)
    lang = notice.lang or (clip.lang if clip is not None else site.default_language)
    kind = NoticeKind(notice.kind)
    facts = _facts_of(session, notice, lang)
    letter = _letter(kind, clip, lang, said, site, link, at=notice.created_at, edits=edits, facts=facts)
    reply_to = _reply_to(notice, clip, facts, inbox, key=site.secret_key)
    refuse_url = _refuse_url(session, notice, kind, lang, site)
    letter = replace(letter, reply_to=reply_to, refuse_url=refuse_url)
    return replace(_write(kind, lang, letter), reply_to=reply_to, refuse_url=refuse_url)


def _reply_to(notice: Notice, clip: Clip | None, facts: Mapping[str, Any], inbox: str, *, key: str) -> str:
    """Support's answer goes to the owner, the owner's into the clip's thread.

    Whoever answers there speaks as the owner: nobody else is given that address.
    """
    if notice.kind == NoticeKind.CASE_OPENED:
        return str(facts.get("email", ""))
    if not inbox or clip is None or notice.person_id is None or notice.person_id != clip.owner_id:
        return ""
    return addresses.reply_address(inbox, clip.id, key=key)


def _refuse_url(session: Session, notice: Notice, kind: NoticeKind, lang: str, site: Site) -> str:
    person = session.get(Person, notice.person_id) if notice.person_id is not None else None
    to = (person.email if person is not None else notice.address) or ""
    if kind not in TOPICS or not to:
        return ""
    token = addresses.refusal_token(address_hash(to), TOPICS[kind], key=site.secret_key)
    return f"{site.url}/{lang}/u/{token}"


def preview(
    kind: NoticeKind, clip: Clip, lang: str, reasons_given: Sequence[Said], site: Site, *, link: str = "",
    inbox: str = "",
) -> Mail:  # fmt: skip
    """The letter as it would be, for whoever decides; writes no row and mints no link."""
    letter = _letter(kind, clip, lang, reasons_given, site, link or f"{site.url}/{lang}/s/…", at=None)
    reply_to = addresses.reply_address(inbox, clip.id, key=site.secret_key) if inbox else ""
    return _write(kind, lang, replace(letter, reply_to=reply_to))


def status_address(site: Site, lang: str, token: str) -> str:
    """Where an owner follows the clip."""
    return f"{site.url}/{lang}/s/{token}"


def _letter(  # noqa: PLR0913 - what a letter is made of
    kind: NoticeKind,
    clip: Clip | None,
    lang: str,
    said: Sequence[Said],
    site: Site,
    link: str,
    *,
    at: datetime | None,
    edits: EditList | None = None,
    facts: Mapping[str, Any] | None = None,
) -> _Letter:
    is_failed = kind is NoticeKind.FAILED and clip is not None
    with language(lang):
        return _Letter(
            title=clip.title if clip is not None else "",
            first_name=clip.first_name if clip is not None else (facts or {}).get("first_name", ""),
            clip_url=f"{site.url}/{lang}/c/{clip.id}" if clip is not None else site.url,
            action_url=link,
            site=site,
            reasons=[_spoken(one) for one in said],
            fault=reasons.sentence(_fault(clip), **clip.fail_facts) if is_failed and clip is not None else "",
            until=_until(at, facts or {}),
            changes=edit_words.changes(edits or EditList()),
            facts=dict(facts or {}),
        )


def _until(at: datetime | None, facts: Mapping[str, Any]) -> str:
    """The day a letter's facts name, or until when a withdrawal can be undone."""
    if "until" in facts:
        told = str(facts["until"])
        # The instant, of which the pages show the day that it is here; letters of an earlier release hold a day.
        return format_date(datetime.fromisoformat(told) if "T" in told else date.fromisoformat(told))
    return format_datetime(at + timedelta(hours=UNDO_HOURS)) if at else ""


def _write(kind: NoticeKind, lang: str, letter: _Letter) -> Mail:
    with language(lang):
        plain = _letters().get_template(f"{kind}.txt")
        context = {"letter": letter, "lang": lang}
        subject = "".join(plain.blocks["subject"](plain.new_context(context)))
        # Parts that are left out leave no holes.
        text = re.sub(r"\n{3,}", "\n\n", plain.render(context))
        html = _letters().get_template(f"{kind}.html").render(context, subject=subject)
    return Mail(on_one_line(subject), text, html, lang)


def _fault(clip: Clip) -> Code:
    """What the owner is told: of our own faults only that they are ours, whichever it was."""
    known = Code(clip.fail_code) if clip.fail_code in set(Code) else Code.OURS_TRANSCODE
    return Code.OURS_TRANSCODE if known.is_ours else known


def _spoken(said: Said) -> dict[str, str]:
    return {
        "name": reasons.name_of(said.code),
        "rule": reasons.rule_of(said.code),
        "at": format_clock(said.at_seconds) if said.at_seconds is not None else "",
        "words": said.words,
    }


@cache
def _letters() -> Environment:
    """The templates of letters, without Flask; a forgotten value is an error, never a gap."""
    letters = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "email"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    letters.install_gettext_callables(raw_gettext, raw_ngettext, newstyle=True)  # type: ignore[attr-defined]
    return letters
