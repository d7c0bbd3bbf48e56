"""A published clip made again: whoever watches notices nothing, and an hour later nothing of the old one is left."""

import dataclasses
import re
import threading
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from media_jobs import tasks
from portal import cuts, editing, fsck, keys, review
from portal.database import db_now
from portal.edits import Blur, EditList
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION
from portal.lifecycle import CLOCK, Actor, ActorKind, move
from portal.models import Clip, Cut, CutState, Job, JobState, Publication, Rendition, State
from portal.storage import Bucket
from tests import footage
from tests.conftest import with_settings
from tests.jobs import stage

PROGRAM = Actor(ActorKind.PROGRAM)


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


@pytest.fixture
def clip(make, runtime, shop, tmp_path):
    """A clip in review, with a real film of two seconds."""
    clip = stage.arrived(make, runtime, footage.small(tmp_path, seconds=2.0, size="160x90"))
    tasks.TASKS[JobKind.TRANSCODE](shop, stage.ask(runtime, clip, JobKind.TRANSCODE))
    return stage.row(runtime, Clip, clip.id)


@pytest.fixture
def published(clip, runtime, shop, moderator):
    by = Actor(ActorKind.MODERATOR, moderator.id)
    with runtime.work() as session:
        review.approve(session, session.get_one(Clip, clip.id), by=by, seen_version=clip.version, delay=0.0)
    do(runtime, shop, clip, JobKind.PUBLISH)
    return stage.row(runtime, Clip, clip.id)


def do(runtime, shop, clip, kind):
    """Let the worker do the one open job of this kind."""
    with runtime.read() as session:
        waiting = (Job.clip_id == clip.id, Job.kind == kind, Job.state == JobState.QUEUED)
        job_id = session.scalars(select(Job.id).where(*waiting)).one()
    tasks.TASKS[kind](shop, job_id)
    return stage.row(runtime, Job, job_id)


def held(runtime, clip, act, *words, **options):
    with runtime.work() as session:
        return act(session, session.get_one(Clip, clip.id), *words, **options)


def replanned(runtime, clip):
    with runtime.work() as session:
        session.execute(update(Cut).values(ladder_version=LADDER_VERSION - 1))
    with runtime.read() as session:
        assert [one.id for one in cuts.outdated(session)] == [clip.id]
    held(runtime, clip, cuts.replan, by=PROGRAM)


def fetched(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:
        return answer.read()


class Viewer(threading.Thread):
    """Opens the clip's page and plays it, rung by rung and range by range, over and over; remembers what failed."""

    def __init__(self, app, clip):
        super().__init__()
        self.app, self.clip = app, clip
        self.enough = threading.Event()
        self.round = threading.Semaphore(0)
        self.errors, self.masters = [], []

    def run(self):
        while not self.enough.is_set():
            try:
                self.masters.append(self.watch())
            except (urllib.error.URLError, AssertionError, KeyError, IndexError) as error:
                self.errors.append(repr(error))
            self.round.release()

    def watch(self):
        client = self.app.test_client()
        page = client.get(f"/fr/c/{self.clip.id}", follow_redirects=True)
        assert page.status_code == 200
        plain = re.findall(r'<source src="([^"]+\.mp4)"', page.text)[0]
        assert len(fetched(plain, {"Range": "bytes=0-99"})) == 100
        master = client.get(f"/api/v1/clips/{self.clip.id}").json["playback"]["hls_url"]
        play(master)
        return master


def play(master):
    folder = master.rpartition("/")[0]
    lists = [name for name in fetched(master).decode().split() if name.endswith(".m3u8")]
    for name in [*lists, "audio.m3u8"]:
        text = fetched(f"{folder}/{name}").decode()
        track = re.search(r'URI="([^"]+)"', text)[1]
        for size, start in re.findall(r"BYTERANGE:(\d+)@(\d+)", text):
            last = int(start) + int(size) - 1
            part = fetched(f"{folder}/{track}", {"Range": f"bytes={start}-{last}"})
            assert len(part) == int(size)


def seen(viewer, rounds):
    for _ in range(rounds):
        assert viewer.round.acquire(timeout=stage.PATIENCE_SECONDS)


def test_whoever_watches_a_clip_that_is_made_again_notices_nothing(
    app, runtime, shop, published, empty_buckets_before
):
    viewer = Viewer(app, published)
    viewer.start()
    try:
        seen(viewer, 2)
        replanned(runtime, published)
        assert do(runtime, shop, published, JobKind.REMAKE).state == JobState.DONE
        seen(viewer, 2)
        assert do(runtime, shop, published, JobKind.REPUBLISH).state == JobState.DONE
        seen(viewer, 3)
        tasks.sweep(shop, "quick")
        seen(viewer, 2)
    finally:
        viewer.enough.set()
        viewer.join()
    assert viewer.errors == []
    old, new = viewer.masters[0], viewer.masters[-1]
    assert old != new
    # Whoever began with the old one goes on for an hour.
    play(old)
    with runtime.work() as session:
        hours_ago = db_now(session) - timedelta(hours=2)
        superseded = Publication.superseded_at.is_not(None)
        session.execute(update(Publication).where(superseded).values(superseded_at=hours_ago))
    tasks.sweep(shop, "quick")
    with pytest.raises(urllib.error.HTTPError):
        fetched(old)
    play(new)
    with runtime.read() as session:
        left = set(session.scalars(select(Rendition.cut_id)))
        states = {one.number: one.state for one in session.scalars(select(Cut))}
    assert left == {stage.row(runtime, Clip, published.id).cut_id}
    assert states == {1: CutState.DROPPED, 2: CutState.ADOPTED}
    found = fsck.check(runtime.read, runtime.storage, grace_seconds=0.0, deep=True)
    assert [one for one in found if one.invariant not in ("I1", "I16")] == []


@pytest.fixture
def empty_buckets_before(published, runtime):
    """Leaves nothing in the storage but this test's own clip."""
    with runtime.read() as session:
        named = set(session.scalars(select(Rendition.key)))
        token = session.scalars(select(Publication.token)).one()
    for bucket, mine in ((Bucket.ORIGINALS, named), (Bucket.PUBLIC, set())):
        others = [
            key
            for key in runtime.storage.keys(bucket)
            if key not in mine and published.id not in key and token not in key
        ]
        runtime.storage.delete(bucket, others)


def test_a_cut_is_rendered_waits_and_replaces_what_is_public_when_it_is_adopted(runtime, shop, published):
    edits = EditList(start=0.5, blurs=(Blur(0.5, 1.5, 0.2, 0.2, 0.5, 0.5),))
    held(runtime, published, editing.propose, edits, by=PROGRAM, seen_version=published.version)
    do(runtime, shop, published, JobKind.REMAKE)
    waiting = held(runtime, published, cuts.waiting)
    assert (waiting.state, waiting.seconds, waiting.copied_top) == (CutState.MADE, 1.5, False)
    version = stage.row(runtime, Clip, published.id).version
    held(runtime, published, editing.adopt, 2, by=PROGRAM, seen_version=version)
    do(runtime, shop, published, JobKind.REPUBLISH)
    with runtime.read() as session:
        shown = session.scalars(select(Publication).where(Publication.superseded_at.is_(None))).one()
    assert shown.cut_id == waiting.id
    assert stage.row(runtime, Clip, published.id).seconds == 1.5


def test_a_clip_withdrawn_while_its_cut_is_made_keeps_nothing_of_it(runtime, shop, clip):
    held(runtime, clip, editing.propose, EditList(start=0.5), by=PROGRAM, seen_version=clip.version)
    before = set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))

    class Withdrawing(type(runtime.storage)):
        def put(self, bucket, key, *words, **options):
            super().put(bucket, key, *words, **options)
            if key.endswith("master.m3u8"):
                held(runtime, clip, move, "withdraw", by=CLOCK)

    storage = Withdrawing(runtime.settings.storage)
    leaving = stage.shop_of(stage_runtime(runtime, storage))
    do(runtime, leaving, clip, JobKind.REMAKE)
    assert set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id))) == before
    assert stage.row(runtime, Clip, clip.id).cut_id == clip.cut_id
    with runtime.read() as session:
        assert [one.state for one in session.scalars(select(Cut).where(Cut.number == 2))] == ["superseded"]


def stage_runtime(runtime, storage):
    return type(runtime)(
        **{
            name: storage if name == "storage" else getattr(runtime, name)
            for name in runtime.__dataclass_fields__
        }
    )


def test_a_cut_of_an_original_that_is_not_the_one_a_moderator_saw_is_not_made(runtime, shop, clip, tmp_path):
    with runtime.read() as session:
        film = session.get_one(cuts.Film, clip.film_id)
    other = footage.small(tmp_path, seconds=1.0, size="160x90", name="other.mp4")
    runtime.storage.put(Bucket.ORIGINALS, film.key, other, content_type="video/mp4")
    held(runtime, clip, editing.propose, EditList(start=0.5), by=PROGRAM, seen_version=clip.version)
    for _ in range(3):
        job = do(runtime, shop, clip, JobKind.REMAKE)
    assert (job.state, job.error_code) == (JobState.FAILED, "ours_storage")
    with runtime.read() as session:
        assert session.scalars(select(Cut.state).where(Cut.number == 2)).one() == CutState.FAILED
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


def test_a_film_that_was_taken_is_cut_again_whatever_the_longest_film_is_today(clip, runtime):
    held(runtime, clip, cuts.replan, by=PROGRAM)
    uploads = dataclasses.replace(runtime.settings.uploads, max_seconds=1)
    strict = stage.shop_of(with_settings(runtime, uploads=uploads))
    assert do(runtime, strict, clip, JobKind.REMAKE).state == JobState.DONE
    assert stage.row(runtime, Clip, clip.id).seconds == pytest.approx(2.0, abs=0.04)
