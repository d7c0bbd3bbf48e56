"""A storm: clips on their way, and every few seconds a fault somewhere; when it is over every clip has arrived.

Seeded (TORTURE_SEED), as long as STORM_SECONDS says; only by `make torture`.
"""

import dataclasses
import os
import random
import sys
import time
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import func, select

from portal import fsck, people, review, withdrawal
from portal.jobs import Bell, JobKind
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, Job, JobState, Role, State
from portal.runtime import make_celery, make_wake
from tests import footage
from tests.faults import life
from tests.faults.proxy import Proxy
from tests.jobs import stage

SECONDS = float(os.environ.get("STORM_SECONDS", "180"))
SEED = int(os.environ.get("TORTURE_SEED", "1"))
CLIPS, BETWEEN, AFTERWARDS = 40, 3.0, 300.0
ARRIVED = {State.PUBLISHED, State.WITHDRAWN}

pytestmark = [
    pytest.mark.skipif("TORTURE" not in os.environ, reason="runs by `make torture`"),
    pytest.mark.timeout(SECONDS + AFTERWARDS + 300),
]


@pytest.fixture
def database_url(make_migrated_postgres):
    return make_migrated_postgres()


class Sea:
    """Two workers, a storage and a broker behind lines that can be broken, and people who go on all the while."""

    def __init__(self, runtime, lines, folder, clips):
        self.runtime, self.folder, self.clips = runtime, folder, clips
        self.storage, self.broker = lines
        self.chance = random.Random(SEED)
        self.workers = []
        self.told = []

    def man(self):
        """Replace workers that are gone."""
        for gone in [one for one in self.workers if one.process.poll() is not None]:
            gone.__exit__()
            self.workers.remove(gone)
        while len(self.workers) < 2:
            home = self.folder / f"host{len(self.told) % 2}-{len(self.workers)}"
            self.workers.append(stage.WorkerProcess(self.runtime, self.folder, data_dir=home, lease=10))

    def strike(self):
        """One fault."""
        what = self.chance.choice(("kill", "stop", "storage", "broker", "flush", "double"))
        self.told.append(what)
        if what == "kill":
            self.chance.choice(self.workers).kill()
        elif what == "stop":
            self.chance.choice(self.workers).ask_to_stop()
        elif what in ("storage", "broker"):
            line = self.storage if what == "storage" else self.broker
            mode = self.chance.choice(("refuse", "reset", "cut", "503" if what == "storage" else "reset"))
            with line.misbehaving(mode, cut_after=self.chance.randrange(2000)):
                time.sleep(BETWEEN / 2)
        elif what == "flush":
            redis.Redis.from_url(self.runtime.settings.broker_url).flushall()
        else:
            with self.runtime.read() as session:
                asked = select(Job.kind, Job.id).where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
                rows = session.execute(asked).all()
            for kind, job_id in rows:
                self.runtime.wake(Bell(JobKind(kind), job_id))

    def go_on(self):
        """People do what they do: approve what is in review, take one back now and then."""
        with self.runtime.work() as session:
            staff = people.staff(session)[0]
            clips = session.scalars(
                select(Clip).where(Clip.state.in_([State.IN_REVIEW, State.PUBLISHED]))
            ).all()
            for clip in clips:
                if clip.state == State.IN_REVIEW:
                    by = Actor(ActorKind.MODERATOR, staff.id)
                    review.approve(session, clip, by=by, seen_version=clip.version, delay=0.0)
                elif self.chance.random() < 0.03:
                    withdrawal.withdraw(session, clip, by=OWNER)

    def states(self):
        with self.runtime.read() as session:
            return dict(session.execute(select(Clip.state, func.count()).group_by(Clip.state)).all())


def begun(runtime, campaign, film):
    """A clip whose film has just arrived."""
    clip_id = life.begin(runtime, campaign.id)
    life.send(runtime, clip_id, film)
    return clip_id


def test_after_a_storm_every_clip_has_arrived_and_every_promise_holds(
    make, runtime, broker_url, empty_buckets, tmp_path
):
    film = footage.small(tmp_path, seconds=0.5, size="128x72")
    make.person("ines@brand.example", role=Role.MODERATOR, name="Inès M.")
    campaign = make.campaign()
    store, bell = urlsplit(runtime.settings.storage.endpoint_url), urlsplit(broker_url)
    with Proxy(store.hostname, store.port) as to_storage, Proxy(bell.hostname, bell.port) as to_broker:
        url = broker_url.replace(f":{bell.port}", f":{to_broker.port}")
        storage = dataclasses.replace(
            runtime.settings.storage, endpoint_url=f"http://127.0.0.1:{to_storage.port}"
        )
        settings = dataclasses.replace(runtime.settings, broker_url=url, storage=storage)
        people_runtime = dataclasses.replace(
            runtime, settings=settings, wake=make_wake(make_celery(broker_url))
        )
        clips = [begun(people_runtime, campaign, film) for _ in range(CLIPS)]
        sea = Sea(people_runtime, (to_storage, to_broker), tmp_path, clips)
        sea.man()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            time.sleep(BETWEEN)
            sea.strike()
            sea.man()
            sea.go_on()
        sys.stderr.write(f"storm over, {len(sea.told)} faults: {sea.states()}\n")
        calm = time.monotonic() + AFTERWARDS
        while set(sea.states()) - ARRIVED or open_jobs(runtime):
            assert time.monotonic() < calm, (sea.states(), open_jobs(runtime))
            time.sleep(1.0)
            sea.man()
            sea.go_on()
        sys.stderr.write(
            f"all arrived {AFTERWARDS - (calm - time.monotonic()):.0f} s later: {sea.states()}\n"
        )
        for worker in sea.workers:
            worker.__exit__()
    life.sweep(life.shop_of(runtime))
    assert fsck.check(runtime.read, runtime.storage, grace_seconds=0.0, deep=True) == []


def open_jobs(runtime):
    """What is still to be done, and what nobody could do."""
    with runtime.read() as session:
        asked = select(Job.kind, Job.state, Job.attempt, Job.error_detail)
        wanted = Job.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.FAILED])
        return [tuple(row) for row in session.execute(asked.where(wanted))]
