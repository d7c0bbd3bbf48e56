"""A long film made in pieces by several hands: the same as made in one, whoever comes, goes, fails or dies."""

import contextlib
import dataclasses
import os
import shutil
import threading
from datetime import timedelta

import pytest
import redis
from sqlalchemy import select, update

from media_jobs import chunking, film, pieces
from media_jobs.heartbeat import Heartbeat
from media_jobs.tasks import TASKS
from portal import chunks, crash, fsck, keys, leases
from portal.database import db_now
from portal.errors import Code
from portal.jobs import JobKind
from portal.lifecycle import CLOCK, move
from portal.models import Clip, Cut, Job, JobState, Rendition, State, WorkerSeen
from portal.runtime import make_celery, make_wake
from portal.storage import Bucket
from tests import chain, footage
from tests.jobs import stage

SECONDS = 13.0
torture = pytest.mark.skipif("TORTURE" not in os.environ, reason="runs by `make torture`")


@pytest.fixture
def database_url(request, tmp_path):
    """PostgreSQL, where several really work at once; SQLite too where a test says so."""
    if getattr(request, "param", "postgresql") == "postgresql":
        return request.getfixturevalue("make_migrated_postgres")()
    path = tmp_path / "portal.sqlite"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    return footage.small(tmp_path_factory.mktemp("long"), seconds=SECONDS, size="64x36", rate=25)


# The hands -----------------------------------------------------------------------------------------------


@pytest.fixture
def shop(runtime):
    media = dataclasses.replace(runtime.settings.media, parallel_from=12)
    settings = dataclasses.replace(runtime.settings, media=media)
    return stage.shop_of(dataclasses.replace(runtime, settings=settings))


def seen(runtime, *names, lanes=("heavy", "slow"), silent=0.0, **facts):
    with runtime.work() as session:
        for name in names:
            at = db_now(session) - timedelta(seconds=silent)
            session.merge(WorkerSeen(name=name, seen_at=at, facts={"lanes": list(lanes), **facts}))


@pytest.fixture
def asked(make, runtime, long_film):
    """A clip with a long film, its transcode on record, and a second worker that seems to have nothing to do."""
    clip = stage.arrived(make, runtime, long_film)
    seen(runtime, "films@a/0", "films@b/0")
    return clip, stage.ask(runtime, clip, JobKind.TRANSCODE)


def parts(runtime, clip):
    with runtime.read() as session:
        rows = select(Job).where(Job.clip_id == clip.id, Job.kind == JobKind.CHUNK)
        return list(session.scalars(rows.order_by(Job.created_at, Job.part)))


def private(runtime, clip):
    return set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))


@contextlib.contextmanager
def beside(work):
    """Somebody at work beside the test, until the block ends; what broke him breaks the test."""
    broken, over = [], threading.Event()

    def run():
        try:
            work(over)
        except BaseException as trouble:  # noqa: BLE001 - told below
            broken.append(trouble)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=stage.PATIENCE_SECONDS)
    assert not broken
    assert not thread.is_alive()


def rung(bells, over):
    """The bells for chunks as they are rung, each once."""
    heard = set()
    while not over.wait(0.02):
        for bell in list(bells):
            if bell.kind is JobKind.CHUNK and bell.subject not in heard:
                heard.add(bell.subject)
                yield bell.subject


def is_whole(runtime, clip):
    """The clip is in review, made once, with a ladder that plays and nothing else in the storage."""
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW
    with runtime.read() as session:
        named = {one.key for one in session.scalars(select(Rendition))}
        assert session.scalars(select(Cut)).one().seconds == SECONDS
    assert private(runtime, clip) == named
    assert not list(runtime.settings.media.scratch.iterdir())
    found = fsck.check(runtime.read, runtime.storage, grace_seconds=-60)
    ours = [one for one in found if one.invariant in ("I5", "I6", "I12", "I13", "I23")]
    assert [one for one in ours if clip.id in one.subject or one.invariant == "I12"] == []


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_helper_makes_a_part_and_what_comes_out_is_one_film_whoever_rings_twice(
    runtime, shop, asked, bells
):
    clip, job_id = asked
    helpers, stored = set(), []

    def helper(over):
        helpers.add(threading.get_ident())
        for subject in rung(bells, over):
            TASKS[JobKind.CHUNK](shop, subject)
            TASKS[JobKind.CHUNK](shop, subject)

    crash.observe(lambda name: stored.append(threading.get_ident()) if name == "rendition.put" else None)
    try:
        with beside(helper):
            TASKS[JobKind.TRANSCODE](shop, job_id)
    finally:
        crash.observe(None)
    is_whole(runtime, clip)
    made = parts(runtime, clip)
    assert [(one.part, one.state, one.attempt) for one in made] == [
        (number, JobState.DONE, 1) for number in (1, 2, 3)
    ]
    assert len({one.lease_token for one in made}) == 3
    assert helpers & set(stored)


def test_nobody_comes_and_the_film_is_made_all_the_same(runtime, shop, asked, long_film, tmp_path):
    clip, job_id = asked
    TASKS[JobKind.TRANSCODE](shop, job_id)
    is_whole(runtime, clip)
    assert [one.state for one in parts(runtime, clip)] == [JobState.DONE] * 3
    one = {made.name: made.sha256 for made in chain.made(long_film, tmp_path / "one").files}
    with runtime.read() as session:
        stored = {made.name: made for made in session.scalars(select(Rendition))}
    alike = ("audio.cmfa", "hover.mp4", "storyboard.webp", "card.jpg")
    assert [stored[name].sha256 for name in alike] == [one[name] for name in alike]


def test_a_part_whose_helper_vanishes_is_made_by_who_asked(runtime, shop, asked, bells):
    clip, job_id = asked

    def vanishes(over):
        with runtime.work() as session:
            assert leases.claim(session, next(rung(bells, over)), lease_seconds=1.0) is not None

    with beside(vanishes):
        TASKS[JobKind.TRANSCODE](shop, job_id)
    is_whole(runtime, clip)
    assert [one.attempt for one in parts(runtime, clip)] == [2, 1, 1]


def test_a_part_that_fails_three_times_is_no_failure_of_the_clip(runtime, shop, asked, bells):
    clip, job_id = asked

    def fails(over):
        subject = next(rung(bells, over))
        for _ in range(3):
            with runtime.work() as session:
                claim = leases.claim(session, subject)
                leases.job_failed(session, claim, Code.OURS_TRANSCODE, "it broke", pauses=(0.0, 0.0))

    with beside(fails):
        TASKS[JobKind.TRANSCODE](shop, job_id)
    is_whole(runtime, clip)
    assert (parts(runtime, clip)[0].state, parts(runtime, clip)[0].attempt) == (JobState.CANCELLED, 3)
    assert stage.row(runtime, Job, job_id).attempt == 1


@pytest.mark.parametrize("point", ["rendition.put", "rendition.put.done"])
def test_a_helper_that_breaks_beside_a_side_effect_leaves_nothing(runtime, shop, asked, bells, point):
    clip, job_id = asked
    helpers, broken = set(), []

    def breaks(name):
        if name == point and threading.get_ident() in helpers and not broken:
            broken.append(name)
            raise crash.Crash(name)

    def helper(over):
        helpers.add(threading.get_ident())
        for subject in rung(bells, over):
            TASKS[JobKind.CHUNK](shop, subject)

    crash.observe(breaks)
    try:
        with beside(helper):
            TASKS[JobKind.TRANSCODE](shop, job_id)
    finally:
        crash.observe(None)
    is_whole(runtime, clip)
    assert stage.row(runtime, Job, job_id).attempt == 1


def test_a_withdrawn_clip_ends_all_its_parts(runtime, shop, asked, bells):
    clip, job_id = asked

    def withdraws(over):
        next(rung(bells, over))
        with runtime.work() as session:
            move(session, session.get_one(Clip, clip.id), "withdraw", by=CLOCK)

    with beside(withdraws):
        TASKS[JobKind.TRANSCODE](shop, job_id)
    assert {one.state for one in parts(runtime, clip)} <= {JobState.CANCELLED, JobState.DONE}
    assert JobState.CANCELLED in {one.state for one in parts(runtime, clip)}
    assert private(runtime, clip) == set()


def test_what_a_killed_attempt_has_shared_is_ended_by_the_next_which_makes_the_film_in_one(
    runtime, shop, asked
):
    clip, job_id = asked
    with runtime.work() as session:
        dead = leases.claim(session, job_id, lease_seconds=60.0)
        jobs = chunks.share(session, dead, 3)
        taken = leases.claim(session, jobs[0])
    left = keys.made(clip.id, dead.token, f"chunk-001-{taken.token}.tar")
    runtime.storage.put(Bucket.ORIGINALS, left, b"half a piece", content_type="application/x-tar")
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    assert private(runtime, clip) == {left}
    with runtime.work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=db_now(session)))
    TASKS[JobKind.TRANSCODE](shop, job_id)
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    is_whole(runtime, clip)
    assert [one.state for one in parts(runtime, clip)] == [JobState.CANCELLED] * 3
    with runtime.work() as session:
        assert not leases.done(session, taken)


def test_a_part_that_no_attempt_waits_for_is_let_go(runtime, shop, asked):
    clip, job_id = asked
    with runtime.work() as session:
        claim = leases.claim(session, job_id)
        jobs = chunks.share(session, claim, 3)
        leases.release(session, claim)
    TASKS[JobKind.CHUNK](shop, jobs[0])
    assert parts(runtime, clip)[0].state == JobState.CANCELLED
    assert private(runtime, clip) == set()


@pytest.mark.parametrize("why", ["off", "too short", "nobody idle", "tried before", "cut", "late picture"])
def test_a_film_is_not_shared_when_there_is_no_use(runtime, shop, asked, why):
    clip, job_id = asked
    least = {"too short": 14, "off": 0}.get(why, 12)
    media = dataclasses.replace(shop.runtime.settings.media, parallel_from=least)
    settings = dataclasses.replace(shop.runtime.settings, media=media)
    shop = dataclasses.replace(shop, runtime=dataclasses.replace(runtime, settings=settings))
    seen(runtime, "films@b/0", silent=90.0 if why == "nobody idle" else 0.0)
    delay = 1.5 if why == "late picture" else 0.0
    facts = chain.imagined(
        duration_seconds=SECONDS, picture_seconds=SECONDS - delay, picture_delay_seconds=delay
    )
    made = pieces.picture.plan(facts, film.rungs_for(1920, 1080))
    if why == "cut":
        made = dataclasses.replace(made, seconds=12.0)
    with runtime.work() as session:
        claim = leases.claim(session, job_id)
    claim = dataclasses.replace(claim, attempt=2 if why == "tried before" else 1)
    with Heartbeat(shop, claim) as pulse:
        shared = chunking.Shared(shop, claim, pulse, None, facts)
        assert not shared(made, None, lambda _: None)
    assert parts(runtime, clip) == []


def test_only_workers_that_take_long_films_and_have_none_are_idle(make, runtime):
    def idle():
        with runtime.read() as session:
            return chunks.idle(session)

    assert idle() == 0
    seen(runtime, "films@a/0", "films@b/0")
    seen(runtime, "first@a/0", lanes=["short"])
    seen(runtime, "films@c/0", unfit=["no sandbox"])
    seen(runtime, "films@d/0", silent=90.0)
    assert idle() == 2
    clip = make.clip(State.PROCESSING)
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)
    assert idle() == 1
    with runtime.work() as session:
        leases.claim(session, job_id)
    assert idle() == 1
    stage.ask(runtime, clip, JobKind.PREVIEW)
    assert idle() == 1


def test_no_chunk_is_ever_the_last_job_of_its_clip(runtime, asked):
    clip, job_id = asked
    with runtime.work() as session:
        claim = leases.claim(session, job_id)
        chunks.share(session, claim, 3)
    with runtime.read() as session:
        last = select(Job).where(Job.clip_id == clip.id).order_by(Job.created_at.desc(), Job.id)
        assert session.scalars(last).first().id == job_id


# Hosts that are killed -----------------------------------------------------------------------------------


@pytest.fixture
def hosts(runtime, broker_url, tmp_path, make):
    """Two worker hosts that share films of twelve seconds, and a film that takes them a while."""
    redis.Redis.from_url(broker_url).flushall()
    media = dataclasses.replace(runtime.settings.media, parallel_from=12)
    settings = dataclasses.replace(runtime.settings, broker_url=broker_url, media=media)
    ringing = dataclasses.replace(runtime, settings=settings, wake=make_wake(make_celery(broker_url)))
    clip = stage.arrived(make, ringing, footage.small(tmp_path, seconds=SECONDS, size="640x360"))
    with contextlib.ExitStack() as stack:
        homes = [tmp_path / "a", tmp_path / "b"]
        workers = {
            home: stack.enter_context(
                stage.WorkerProcess(ringing, tmp_path, data_dir=home, node=f"{home.name}@%h", lease=10)
            )
            for home in homes
        }
        stage.until(lambda: alive(ringing) == 2)
        yield ringing, clip, workers


def alive(runtime):
    with runtime.read() as session:
        return chunks.idle(session)


def of_job(runtime, workers, job_id):
    """The host that works on this job now, by the work folder that is named after its token."""
    token = stage.row(runtime, Job, job_id).lease_token or "-"
    return next((home for home in workers if (home / "scratch" / token / "made").is_dir()), None)


@torture
@pytest.mark.parametrize("who", ["helper", "asking"])
def test_whichever_host_is_killed_in_mid_part_the_film_is_made(hosts, who):
    runtime, clip, workers = hosts
    job_id = stage.ask(runtime, clip, JobKind.TRANSCODE)

    def helped():
        asking = of_job(runtime, workers, job_id)
        busy = [(of_job(runtime, workers, one.id), one.id) for one in parts(runtime, clip)]
        return next(
            ((asking, home, part) for home, part in busy if asking and home not in (None, asking)), None
        )

    asking, helper, part = stage.until(helped)
    workers[helper if who == "helper" else asking].kill()
    stage.until(lambda: stage.row(runtime, Job, job_id).state == JobState.DONE)
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW
    assert stage.row(runtime, Job, job_id).attempt == (1 if who == "helper" else 2)
    assert stage.row(runtime, Job, part).attempt == (2 if who == "helper" else 1)
    ends = (JobState.DONE, JobState.CANCELLED)
    stage.until(lambda: all(one.state in ends for one in parts(runtime, clip)))
    fsck.tidy(runtime.read, runtime.work, runtime.storage)
    with runtime.read() as session:
        named = {one.key for one in session.scalars(select(Rendition))}
    assert private(runtime, clip) == named
