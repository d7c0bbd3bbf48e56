"""Every letter in every language, through a real mail server on loopback: as its reader gets it."""

import email
import re
from email import policy

import pytest
from sqlalchemy import select, update

from config import MailSettings
from portal import letters, notices, people, support, thread
from portal.database import db_now
from portal.i18n import languages_on_disk
from portal.lifecycle import OWNER
from portal.mailer import Mailer
from portal.models import Clip, CoSignature, Decision, Notice, Reason, Receipt, State
from portal.notices import TOPICS, NoticeKind
from tests.post_office import Letters, opened

INBOX = "films@brand.example"
TITLE = "Six heures & le <col>"
# What the row of a letter says beside, where its rule gives it that.
FACTS = {
    NoticeKind.INVITATION: {
        "question": "Quel trajet ?",
        "title": "La vie en Solène",
        "in_return": "",
        "until": "2026-09-30",
    },
    NoticeKind.REMINDER: {
        "question": "Quel trajet ?",
        "title": "La vie en Solène",
        "in_return": "",
        "until": "2026-09-30",
    },
    NoticeKind.CO_SIGNATURE: {"name": "Karim", "is_minor": False},
    NoticeKind.CO_SIGNATURE_REFUSED: {"name": "Karim", "was_public": False},
    NoticeKind.CO_RENEWAL: {"name": "Karim", "is_minor": False, "until": "2026-09-30"},
    NoticeKind.CO_ENDING: {"name": "Karim", "is_asked": True, "until": "2026-09-30"},
    NoticeKind.CO_FILM_CHANGED: {"name": "Karim", "is_minor": True},
    NoticeKind.USE_TAKEN_BACK: {"uses": ["social", "ads"], "why": "withdrawn"},
    NoticeKind.THANKS: {"views": 1234},
    NoticeKind.MAIL_TAKEN: {"film": True},
    NoticeKind.MAIL_REFUSED: {"reason": "too_large"},
}
# Letters to the clip's owner can be answered where we read a mailbox.
TO_OWNERS = {
    NoticeKind.RECEIVED, NoticeKind.CHANGES_REQUESTED, NoticeKind.PUBLISHED, NoticeKind.REJECTED, NoticeKind.MESSAGE,
}  # fmt: skip


@pytest.fixture(scope="module")
def office():
    kept = Letters()
    with opened(kept) as url:
        settings = MailSettings(url=url, sender="portal@brand.example", folder=None)
        yield kept, Mailer(settings, sender_name="La vie en Solène")


def about(session, kind, clip, moderator):
    """The row that a letter speaks of, and its decision."""
    if kind is NoticeKind.MESSAGE:
        message = thread.add(
            session, clip, "Bonjour,\nflou ?", author=people.actor_of(moderator), at_seconds=31.0
        )
        return str(message.id), None
    if kind is NoticeKind.CASE_OPENED:
        case = support.open_case(
            session,
            clip,
            words="Une panne",
            phone="0612345678",
            by=OWNER,
            support="x@brand.example",
            default_lang="fr",
        )
        return str(case.id), None
    if kind is NoticeKind.ERASED:
        facts = {"objects": {"originals": 3}, "bytes": 9, "letters": 1, "rows": {"clip": 1}, "sent_on": "2026-08-03",
                 "checked_at": "2026-08-04T10:00:00Z", "left": 0, "is_person_gone": True}  # fmt: skip
        receipt = Receipt(id=f"receipt-{clip.lang}", clip_id=clip.id, made_at=db_now(session), facts=facts)
        session.add(receipt)
        return receipt.id, None
    if kind in (NoticeKind.CO_SIGNATURE, NoticeKind.CO_RENEWAL, NoticeKind.CO_FILM_CHANGED):
        row = CoSignature(
            id=f"row-{clip.lang}", clip_id=clip.id, name="Karim", state="waiting", created_at=db_now(session)
        )
        session.add(row)
        return row.id, None
    if kind in (NoticeKind.CHANGES_REQUESTED, NoticeKind.REJECTED, NoticeKind.REMOVED):
        decision = Decision(clip_id=clip.id, clip_version=1, verb="reject", made_at=db_now(session))
        decision.reasons = [Reason(code="plate", at_seconds=31.0, words="On lit la plaque.")]
        session.add(decision)
        session.flush()
        return "", decision.id
    return "", None


def send(runtime, office, clip_id, kind, lang, moderator, *, inbox=INBOX):
    """One letter, put into the outbox, composed and sent as the worker does; the message, and its link."""
    kept, mailer = office
    site = runtime.settings.site
    with runtime.work() as session:
        clip = session.get_one(Clip, clip_id)
        clip.lang = lang
        key, decision_id = about(session, kind, clip, moderator)
        session.execute(update(Notice).values(occasion=Notice.occasion + ":before"))
        notice = notices.tell(
            session,
            kind,
            clip,
            occasion=f"{kind}:{lang}",
            decision_id=decision_id,
            about=key,
            facts=FACTS.get(kind),
        )
        session.flush()
        link = (
            f"{site.url}/{lang}/i/token"
            if kind in (NoticeKind.INVITATION, NoticeKind.REMINDER)
            else letters.action_link(session, notice, site=site)
        )
        mail = letters.compose(session, notice, site=site, link=link, inbox=inbox)
        message_id = notice.message_id
    mailer.send(
        to="nadia@mail.example", subject=mail.subject, text=mail.text, html=mail.html, message_id=message_id,
        lang=mail.lang, reply_to=mail.reply_to, refuse_url=mail.refuse_url,
    )  # fmt: skip
    return email.message_from_bytes(kept.taken[-1].content, policy=policy.default), link


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_letter_arrives_whole_in_each_language_with_one_action_and_the_way_to_call_it_off(
    runtime, make, moderator, office, kind
):
    clip = make.clip(State.PUBLISHED, title=TITLE)
    subjects = {}
    for lang in languages_on_disk():
        got, link = send(runtime, office, clip.id, kind, lang, moderator)
        text, page = (got.get_body([form]).get_content() for form in ("plain", "html"))
        subjects[lang] = got["Subject"]
        assert got.get_content_type() == "multipart/alternative"
        assert (got["Content-Language"], got["To"]) == (lang, "nadia@mail.example")
        # One action, the same in both parts, and it can be done without the HTML.
        assert text.count(link) == page.count(f'class="act" href="{link}"') == page.count('class="act"') == 1
        addresses = re.findall(r"https?://[^\s\"<>]+", text + page)
        assert {one for one in addresses if not one.startswith("http://portal.test")} == set()
        # Nothing is fetched to read it, nothing runs, no word of a template is left.
        assert re.search(r"<(?:script|img|link|iframe)\b|url\(|&lt;col|%\(|\{\{|None", text) is None
        assert re.search(r"<(?:script|img|link|iframe)\b|url\(|<col>|%\(|\{\{|None", page) is None
        assert "\n\n\n\n" not in text.replace("\r", "")
        # Only what people may do without carries the way to call it off, in both forms that mail programs know.
        assert ("List-Unsubscribe" in got) is ("List-Unsubscribe-Post" in got) is (kind in TOPICS)
        assert text.count("/u/") == page.count("/u/") == (kind in TOPICS)
        assert got.get("List-Unsubscribe", "").strip("<>") in text
    assert all(subjects.values())
    assert len(set(subjects.values())) > 1 or kind in (NoticeKind.INVITATION, NoticeKind.REMINDER)


@pytest.mark.parametrize("kind", sorted(TO_OWNERS))
def test_an_answer_to_a_letter_goes_to_the_clips_own_address(runtime, make, moderator, office, kind):
    clip = make.clip(State.PUBLISHED, title=TITLE)
    got, _link = send(runtime, office, clip.id, kind, "fr", moderator)
    assert got["Reply-To"].startswith(f"films+{clip.id}.")
    assert got.get_body(["plain"]).get_content().startswith("===")


def test_the_letter_that_a_clip_is_live_carries_the_moderators_line_and_the_public_address(
    runtime, make, moderator, office
):
    clip = make.clip(State.PUBLISHED, title=TITLE)
    for words in ("Une ancienne ligne.", "Quel lever de soleil."):
        make.decision(clip, "approve", words=words)
    got, _link = send(runtime, office, clip.id, NoticeKind.PUBLISHED, "fr", moderator)
    text = got.get_body(["plain"]).get_content()
    assert "Quel lever de soleil." in text
    assert "Une ancienne ligne." not in text
    assert f"http://portal.test/fr/c/{clip.id}" in text


def test_the_days_that_the_call_promises_stand_in_the_letter(runtime, make, moderator, office):
    make.campaign(answer_days=5)
    clip = make.clip(State.IN_REVIEW, title=TITLE)
    got, _link = send(runtime, office, clip.id, NoticeKind.RECEIVED, "fr", moderator)
    assert "sous 5 jours ouvrés" in got.get_body(["plain"]).get_content()


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_without_a_mailbox_of_ours_no_letter_asks_for_an_answer_by_mail(
    runtime, make, moderator, office, kind
):
    clip = make.clip(State.PUBLISHED, title=TITLE)
    got, _link = send(runtime, office, clip.id, kind, "fr", moderator, inbox="")
    text = got.get_body(["plain"]).get_content()
    assert re.search(r"répond\w* .{0,40}(?:message|e-mail)", text) is None
    assert "===" not in text
    assert ("Reply-To" in got) is (kind is NoticeKind.CASE_OPENED)


def test_a_letter_about_a_message_that_is_gone_says_nothing_of_it(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        notice = notices.tell(
            session, NoticeKind.MESSAGE, session.get_one(Clip, clip.id), occasion="m", about="4711"
        )
        mail = letters.compose(session, notice, site=runtime.settings.site, link="http://portal.test/x")
        assert session.scalars(select(Notice)).one().facts == {}
    assert "http://portal.test/x" in mail.text
