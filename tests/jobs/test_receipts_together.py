"""Who has everything erased gets one letter, with one receipt for all of it."""

import pytest
from sqlalchemy import func, select

from media_jobs.tasks import TASKS
from portal import letters, owners, receipts
from portal.errors import Missing
from portal.jobs import JobKind
from portal.models import Job, JobState, Notice, Person, Receipt, State
from portal.notices import NoticeKind
from tests.jobs import stage

LEA = "lea@mail.example"


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


@pytest.fixture
def everything(runtime, make):
    """Léa's two clips, all of which she has asked to be erased."""
    owner = make.person(LEA)
    for state in (State.PUBLISHED, State.IN_REVIEW):
        make.clip(state, owner=owner, with_objects=True)
    with runtime.work() as work:
        assert owners.erase(work, work.get_one(Person, owner.id), lang="fr") == 2


def waiting_jobs(runtime):
    with runtime.read() as session:
        asked = select(Job.id).where(Job.kind == JobKind.ERASE, Job.state == JobState.QUEUED)
        return session.scalars(asked.order_by(Job.created_at)).all()


def last_letters(runtime):
    with runtime.read() as session:
        return session.scalars(select(Notice).where(Notice.kind == NoticeKind.ERASED)).all()


def test_the_last_of_several_clips_brings_one_letter_for_all(runtime, shop, everything):
    first, second = waiting_jobs(runtime)
    TASKS[JobKind.ERASE](shop, first)
    assert last_letters(runtime) == []
    TASKS[JobKind.ERASE](shop, second)
    (notice,) = last_letters(runtime)
    assert notice.address == LEA
    with runtime.work() as work:
        site = runtime.settings.site
        held = work.get_one(Notice, notice.id)
        text = letters.compose(work, held, site=site, link=letters.action_link(work, held, site=site)).text
    assert "Tout ce qui portait votre adresse, dont 2 clips" in text
    assert "Votre adresse est effacée aussi" in text


def test_the_receipt_for_all_is_the_sum_of_the_clips_own(runtime, shop, everything, client):
    for job_id in waiting_jobs(runtime):
        TASKS[JobKind.ERASE](shop, job_id)
    (notice,) = last_letters(runtime)
    with runtime.read() as session:
        each = session.scalars(select(Receipt)).all()
        whole = receipts.by_number(session, notice.about)
        assert len(each) == 2
        assert whole.facts["bytes"] == sum(one.facts["bytes"] for one in each)
        assert whole.facts["rows"]["clip"] == 2
        assert session.scalar(select(func.count()).select_from(Receipt)) == 2
    assert "dont 2 clips" in client.get(f"/fr/receipt/{notice.about}").text


def test_a_receipt_that_nobody_made_is_nowhere(session):
    for number in ("", "0" * 32):
        with pytest.raises(Missing):
            receipts.by_number(session, number)


def test_one_clip_alone_has_a_receipt_of_its_own(runtime, shop, make):
    owner = make.person(LEA)
    make.clip(State.PUBLISHED, owner=owner)
    with runtime.work() as work:
        owners.erase(work, work.get_one(Person, owner.id), lang="fr")
    (job_id,) = waiting_jobs(runtime)
    TASKS[JobKind.ERASE](shop, job_id)
    (notice,) = last_letters(runtime)
    with runtime.read() as session:
        assert session.get_one(Receipt, notice.about).whole is None
