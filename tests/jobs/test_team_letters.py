"""Letters to the team: seldom, once, to whom it concerns; and nothing of any owner in them."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from media_jobs import sweeping
from portal import letters, people, support, team_letters, thread
from portal.database import db_now
from portal.jobs import JobKind
from portal.lifecycle import OWNER, enqueue
from portal.models import AuditEvent, Campaign, Clip, Job, JobState, Notice, NoticeState, State
from portal.notices import NoticeKind
from portal.typography import french
from tests.conftest import with_settings
from tests.jobs import stage


def write(runtime):
    with runtime.work() as session:
        return team_letters.write(session)


def kinds(runtime):
    with runtime.read() as session:
        rows = session.execute(select(Notice.kind, Notice.person_id).order_by(Notice.id))
        return [(kind, person) for kind, person in rows]


def waits(runtime, clip, **back):
    """The clip is in review since so long."""
    with runtime.work() as session:
        since = db_now(session) - timedelta(**back)
        session.execute(update(Clip).where(Clip.id == clip.id).values(state_since=since))


def text_of(runtime):
    with runtime.work() as session:
        notice = session.scalars(select(Notice).order_by(Notice.id.desc())).first()
        site = runtime.settings.site
        link = letters.action_link(session, notice, site=site)
        return link, letters.compose(session, notice, site=site, link=link).text


def failed(runtime, clip, *, code="ours_storage", kind=JobKind.TRANSCODE):
    with runtime.work() as session:
        job = enqueue(session, session.get_one(Clip, clip.id), kind)
        now = db_now(session)
        values = {"state": JobState.FAILED, "error_code": code, "finished_at": now}
        session.execute(update(Job).where(Job.id == job.id).values(**values))


def test_an_answer_that_is_due_is_told_to_whoever_reviews_once_a_day(runtime, make, moderator, administrator):
    waits(runtime, make.clip(State.IN_REVIEW), days=20)
    assert write(runtime) == 2
    assert write(runtime) == 0
    expected = [
        (NoticeKind.PROMISES_DUE, one.id) for one in sorted((moderator, administrator), key=lambda p: p.id)
    ]
    assert sorted(kinds(runtime), key=lambda row: row[1]) == expected


def asks_for_a_call(runtime, clip, *, taken_by=None, **back):
    """The clip's owner asked to be called so long ago."""
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        case = support.open_case(
            session, held, words="Rappelez-moi", phone="", by=OWNER, support="sav@brand.example", default_lang="fr"
        )  # fmt: skip
        if taken_by is not None:
            support.take(session, case, taken_by)
        case.made_at = db_now(session) - timedelta(**back)
        session.execute(delete(Notice))


def test_a_call_that_is_late_is_told_with_the_answers_that_are_due_also_when_somebody_took_it_on(
    runtime, make, moderator
):
    clip = make.clip(State.PUBLISHED, title="Le Galibier")
    asks_for_a_call(runtime, clip, hours=1)
    assert write(runtime) == 0
    asks_for_a_call(runtime, clip, days=20, taken_by=moderator)
    assert write(runtime) == 1
    assert write(runtime) == 0
    link, text = text_of(runtime)
    assert link.endswith("/studio/support")
    assert "1 auteur a demandé qu’on le rappelle, et la date promise est passée" in text
    assert "Dossier n° 2" in text.replace("\u00a0", " ")
    assert "0 clip" not in text
    assert "Galibier" not in text
    assert "Rappelez-moi" not in text
    # Beside clips that wait, one letter says both and leads to these.
    waits(runtime, make.clip(State.IN_REVIEW), days=20)
    with runtime.work() as session:
        session.execute(delete(Notice))
    assert write(runtime) == 1
    link, text = text_of(runtime)
    assert link.endswith("/studio/review")
    assert "1 clip doit avoir sa réponse" in text
    assert "1 auteur a demandé qu’on le rappelle" in text


def test_an_answer_that_has_time_is_told_to_nobody(runtime, make, moderator):
    make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        session.execute(update(Campaign).values(answer_days=5))
    assert write(runtime) == 0


@pytest.mark.parametrize(
    ("days", "hours", "is_at_risk"),
    [(1, 11, False), (1, 13, True), (1, 25, True), (2, 23, False), (2, 25, True), (5, 95, False), (5, 97, False),
     (5, 145, True)],
)  # fmt: skip
def test_what_is_due_within_a_day_is_at_risk(days, hours, is_at_risk):
    monday = datetime(2026, 11, 16, 9, tzinfo=UTC)
    assert team_letters.is_at_risk(monday, days, monday + timedelta(hours=hours)) is is_at_risk


def test_the_letter_says_since_when_and_until_when_and_names_no_owner(runtime, make, moderator):
    clip = make.clip(State.IN_REVIEW, title="Le Galibier", first_name="Nadia")
    waits(runtime, clip, days=20)
    write(runtime)
    link, text = text_of(runtime)
    assert link.endswith("/studio/review")
    assert clip.id in text
    assert "La date promise est passée pour 1 clip." in text
    assert "Galibier" not in text
    assert "Nadia" not in text


def test_an_owner_who_wrote_is_told_to_whoever_reviews_and_not_again(runtime, make, moderator):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        thread.add(session, session.get_one(Clip, clip.id), "Où en êtes-vous ?", author=OWNER)
    assert write(runtime) == 1
    assert write(runtime) == 0
    assert kinds(runtime) == [(NoticeKind.OWNERS_WROTE, moderator.id)]
    link, text = text_of(runtime)
    assert link.endswith("/studio/review?flag=replies")
    assert "L’auteur de 1 clip vous a écrit." in text
    assert "Où en êtes-vous" not in text


def test_a_message_that_somebody_answered_meanwhile_is_told_to_nobody(runtime, make, moderator):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        question = thread.add(session, held, "Où en êtes-vous ?", author=OWNER)
        session.flush()
        thread.add(session, held, "Demain.", author=people.actor_of(moderator), answers=question.id)
    write(runtime)
    assert NoticeKind.OWNERS_WROTE not in [kind for kind, _ in kinds(runtime)]


def test_an_answered_request_is_told(runtime, make, moderator):
    clip = make.clip(State.IN_REVIEW)
    with runtime.work() as session:
        session.add(
            AuditEvent(clip_id=clip.id, at=db_now(session), actor_kind="owner", verb="answer", detail={})
        )
    assert write(runtime) == 1
    assert "a répondu à une demande de correction" in text_of(runtime)[1]


def test_work_that_failed_for_good_is_told_to_administrators_once(runtime, make, moderator, administrator):
    clip = make.clip(State.FAILED)
    failed(runtime, clip)
    assert write(runtime) == 1
    assert write(runtime) == 0
    assert kinds(runtime) == [(NoticeKind.JOBS_FAILED, administrator.id)]
    link, text = text_of(runtime)
    assert link.endswith("/studio/settings")
    assert french(f"Clip {clip.id} : transcode, ours_storage") in text


def test_a_film_that_cannot_be_used_is_its_owners_matter(runtime, make, administrator):
    failed(runtime, make.clip(State.FAILED), code="no_picture")
    assert write(runtime) == 0


@pytest.mark.parametrize(("tells", "count"), [(True, 1), (False, 0)])
def test_the_clock_writes_them_unless_they_are_switched_off(runtime, make, administrator, tells, count):
    failed(runtime, make.clip(State.FAILED))
    mail = dataclasses.replace(runtime.settings.mail, tells_team=tells)
    sweeping.thorough(stage.shop_of(with_settings(runtime, mail=mail)))
    with runtime.read() as session:
        states = session.scalars(select(Notice.state).where(Notice.kind == NoticeKind.JOBS_FAILED)).all()
    assert states == [NoticeState.WAITING] * count
