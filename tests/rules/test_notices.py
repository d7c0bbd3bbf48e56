"""Who is told what, once; and what the letters say."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from config import ROOT
from portal import letters, notices, reasons
from portal.database import db_now
from portal.errors import Code
from portal.i18n import language, languages_on_disk
from portal.jobs import JobKind
from portal.letters import Said
from portal.models import Clip, Decision, Notice, NoticeState, Person, Reason
from portal.notices import NoticeKind
from portal.review import ReasonCode

GIVEN = [Said("plate", 31.0, "On lit la plaque de la voiture bleue."), Said("music")]


@pytest.fixture
def clip(make):
    return make.clip(title="Le <Galibier> à 100 %")


def tell(runtime, clip, kind=NoticeKind.RECEIVED, *, occasion="received:1", delay=0.0):
    with runtime.work() as session:
        return notices.tell(session, kind, session.get_one(Clip, clip.id), occasion=occasion, delay=delay)


def claim(runtime, notice, **options):
    with runtime.work() as session:
        return notices.claim_notice(session, notice.id, **options)


def row(runtime, notice):
    with runtime.read() as session:
        return session.get_one(Notice, notice.id)


def test_telling_rings_for_the_worker_once(runtime, bells, clip):
    notice = tell(runtime, clip)
    assert [(bell.kind, bell.subject) for bell in bells] == [(JobKind.TELL, str(notice.id))]


def test_the_same_occasion_twice_is_one_notice(runtime, clip):
    first, second = tell(runtime, clip), tell(runtime, clip)
    assert first.id == second.id


def test_nobody_is_told_when_the_owner_left_no_address(runtime, make, clip):
    with runtime.work() as session:
        session.execute(update(Person).where(Person.id == clip.owner_id).values(email=None))
    assert tell(runtime, clip) is None


def test_a_notice_with_a_delay_is_not_sent_before_its_time(runtime, clip):
    notice = tell(runtime, clip, delay=60)
    assert claim(runtime, notice) is None


def test_a_notice_taken_back_is_never_sent(runtime, clip):
    notice = tell(runtime, clip, NoticeKind.REJECTED, delay=10)
    with runtime.work() as session:
        notices.cancel(session, session.get_one(Clip, clip.id), NoticeKind.REJECTED)
    assert row(runtime, notice).state == NoticeState.CANCELLED


def test_of_two_who_send_at_once_one_gets_the_notice(runtime, clip):
    notice = tell(runtime, clip)
    assert [claim(runtime, notice) is None, claim(runtime, notice) is None] == [False, True]


def test_a_notice_whose_sender_died_is_taken_again(runtime, clip):
    notice = tell(runtime, clip)
    claim(runtime, notice, lease_seconds=-1)
    again = claim(runtime, notice)
    assert again is not None
    assert again.attempt == 2


def test_the_one_who_lost_a_notice_reports_nothing(runtime, clip):
    notice = tell(runtime, clip)
    late = claim(runtime, notice, lease_seconds=-1)
    claim(runtime, notice)
    with runtime.work() as session:
        assert not notices.notice_sent(session, late)


def test_an_address_erased_meanwhile_cancels_the_notice(runtime, clip):
    notice = tell(runtime, clip)
    with runtime.work() as session:
        session.execute(update(Person).where(Person.id == clip.owner_id).values(email=None))
    assert claim(runtime, notice) is None
    assert row(runtime, notice).state == NoticeState.CANCELLED


def test_a_letter_that_did_not_leave_waits_longer_each_time_and_for_most_of_a_day(runtime, clip):
    notice = tell(runtime, clip)
    waited = []
    for _ in notices.RETRY_PAUSES:
        told = claim(runtime, notice)
        with runtime.work() as session:
            before = db_now(session)
            assert notices.notice_failed(session, told, "no route")
            waited.append((session.get_one(Notice, notice.id).run_after - before).total_seconds())
            session.execute(update(Notice).values(run_after=before))
    assert waited == sorted(waited)
    assert sum(waited) > 20 * 3600


def test_a_letter_that_never_leaves_ends_failed_for_staff_to_see(runtime, clip):
    notice = tell(runtime, clip)
    told = claim(runtime, notice)
    with runtime.work() as session:
        notices.notice_failed(session, told, "550 no such user", pauses=())
    assert (row(runtime, notice).state, row(runtime, notice).error_detail) == ("failed", "550 no such user")


def test_a_bell_that_was_lost_is_rung_again(runtime, clip):
    notice = tell(runtime, clip)
    with runtime.work() as session:
        assert notices.overdue_notices(session) == []
        session.execute(update(Notice).values(run_after=db_now(session) - timedelta(minutes=1)))
    with runtime.read() as session:
        assert [bell.subject for bell in notices.overdue_notices(session)] == [str(notice.id)]


def test_every_kind_has_its_two_templates():
    folder = ROOT / "templates" / "email"
    wanted = {f"{kind}.{form}" for kind in NoticeKind for form in ("txt", "html")}
    assert wanted == {path.name for path in folder.iterdir() if not path.name.startswith("_")}


@pytest.mark.parametrize("lang", languages_on_disk())
@pytest.mark.parametrize("kind", [NoticeKind.CHANGES_REQUESTED, NoticeKind.REJECTED, NoticeKind.REMOVED])
def test_a_letter_can_be_seen_before_the_decision_that_sends_it(runtime, clip, kind, lang):
    site = runtime.settings.site
    mail = letters.preview(kind, clip, lang, GIVEN, site, link="http://portal.test/fr/s/token")
    assert mail.subject
    assert mail.text.count("http://portal.test/fr/s/token") == 1
    assert mail.html.count('class="act"') == 1
    assert 'href="http://portal.test/fr/s/token"' in mail.html
    assert f'<html lang="{lang}">' in mail.html


def test_a_letter_escapes_the_owners_words_in_html_and_only_there(runtime, clip):
    mail = letters.preview(NoticeKind.RECEIVED, clip, "fr", [], runtime.settings.site)
    assert "Le <Galibier> à 100 %" in mail.text
    assert "Le &lt;Galibier&gt; à 100 %" in mail.html


def test_a_line_break_in_a_title_cannot_reach_the_headers(runtime, make):
    clip = make.clip(title="Bonjour\r\nBcc: everybody@mail.example")
    mail = letters.preview(NoticeKind.RECEIVED, clip, "fr", [], runtime.settings.site)
    assert mail.subject == "Bien reçu\u00a0: «\u00a0Bonjour Bcc: everybody@mail.example\u00a0»"


def test_a_request_for_changes_names_reason_place_and_the_moderators_words(runtime, clip):
    with runtime.work() as session:
        decision = Decision(clip_id=clip.id, clip_version=1, verb="request_changes", made_at=db_now(session))
        decision.reasons = [
            Reason(code=one.code, at_seconds=one.at_seconds, words=one.words) for one in GIVEN
        ]
        session.add(decision)
        session.flush()
        held = session.get_one(Clip, clip.id)
        notice = notices.tell(
            session, NoticeKind.CHANGES_REQUESTED, held, occasion="decision:1", decision_id=decision.id
        )
        mail = letters.compose(session, notice, site=runtime.settings.site, link="http://portal.test/x")
    for part in (reasons.name_of("plate"), "0:31", "On lit la plaque de la voiture bleue."):
        assert part in mail.text


def test_a_refusal_quotes_the_rule(runtime, clip):
    mail = letters.preview(NoticeKind.REJECTED, clip, "fr", GIVEN, runtime.settings.site)
    assert reasons.rule_of("plate") in mail.text


def test_a_failed_film_is_told_in_the_words_of_its_code(runtime, make):
    clip = make.clip(fail_code="no_picture")
    mail = letters.preview(NoticeKind.FAILED, clip, "fr", [], runtime.settings.site)
    assert reasons.sentence(Code.NO_PICTURE) in mail.text


def test_a_preview_leaves_no_trace(runtime, clip):
    letters.preview(NoticeKind.REJECTED, clip, "fr", GIVEN, runtime.settings.site)
    with runtime.read() as session:
        assert session.scalars(select(Notice)).all() == []


@pytest.mark.parametrize("lang", languages_on_disk())
@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_sentence_that_ends(code, lang):
    with language(lang):
        assert reasons.sentence(code)[-1] in ".!?"


def test_a_sentence_uses_the_figures_it_is_given():
    assert "3\u00a0min" in reasons.sentence(Code.TOO_LONG, seconds=200.0, limit=180.0)


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_of_a_moderator_has_a_name_and_a_rule(code):
    assert reasons.name_of(code) != code
    assert reasons.rule_of(code)


def test_our_own_fault_is_told_as_ours(runtime, make):
    clip = make.clip(fail_code="ours_disk")
    mail = letters.preview(NoticeKind.FAILED, clip, "fr", [], runtime.settings.site)
    assert reasons.sentence(Code.OURS_TRANSCODE) in mail.text


def test_templates_of_letters_carry_no_script():
    for path in Path(ROOT / "templates" / "email").iterdir():
        assert "<script" not in path.read_text(encoding="utf-8")
