"""One clip's life in stages, each a person's act and what the workers make of it; and what must be true afterwards.

`harm.py` lives a stage in a process of its own and breaks it off; here another worker goes on.
"""

import contextlib
import dataclasses
import io
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from PIL import Image
from sqlalchemy import select, update

from config import Settings
from media_jobs import tasks
from media_jobs.workshop import Pace, Workshop
from portal import (
    arrivals,
    carrier,
    crash,
    cuts,
    fsck,
    lifecycle,
    models,
    people,
    posters,
    review,
    submission,
    uploads,
    withdrawal,
)
from portal.database import Base, UTCDateTime, db_now, make_engine, make_sessions
from portal.edits import EditList
from portal.errors import Conflict, Missing, PortalError
from portal.jobs import Bell, JobKind
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.mailer import Mailer
from portal.models import (
    Campaign,
    Clip,
    Cut,
    CutState,
    Job,
    JobState,
    Notice,
    NoticeState,
    Publication,
    State,
    WorkerSeen,
)
from portal.runtime import Runtime
from portal.storage import Bucket, Storage
from portal.submission import Texts
from portal.uploads import Announced
from tests import footage
from tests.conftest import Bells

# Work begins at once and is written down often; a lease ends when the test says that time has passed.
PACE = Pace(
    lease=60.0,
    heartbeat=0.05,
    progress=0.02,
    retry_pauses=(0.0, 0.0),
    notice_pauses=(0.0, 0.0, 0.0, 0.0, 0.0),
)


@dataclasses.dataclass(frozen=True)
class Stage:
    """An act that may be repeated, and where the clip is when it has had its effect."""

    act: Callable[[Runtime, str, Path], None]
    ends: State


def machines(env: dict[str, str], bells: Bells | None = None) -> Runtime:
    """The portal's machines of one process, bells remembered and not rung."""
    settings = Settings.from_env(env)
    engine = make_engine(settings.database_url)
    mailer = Mailer(settings.mail, sender_name=settings.site.name)
    wake = Bells() if bells is None else bells
    return Runtime(settings, engine, make_sessions(engine), Storage(settings.storage), mailer, wake)


# What people do ------------------------------------------------------------------------------------------


def begin(runtime: Runtime, campaign_id: int) -> str:
    """A draft as an owner begins it, in review as soon as its film is made."""
    texts = Texts(
        email="lea@mail.example", first_name="Léa", title="Une minute", city="Brest", speech_lang="fr"
    )
    with runtime.work() as session:
        campaign = session.get_one(Campaign, campaign_id)
        clip, _token = submission.begin(
            session, campaign, lang="fr", texts=texts, consents=("site", "adult"), channel="site", by=OWNER,
            site=runtime.settings.site,
        )  # fmt: skip
        people.vouch(session, clip)
        return clip.id


def send(runtime: Runtime, clip_id: str, film: Path) -> None:
    """Open or resume, send, complete: what a browser does again after any trouble."""
    data = film.read_bytes()
    what = Announced(film.name, len(data), "video/mp4", head_sha256="a" * 64, tail_sha256="b" * 64)
    if clip_of(runtime, clip_id).state not in uploads.ACCEPTING:
        return
    upload, _new, parts = uploads.start_or_resume(
        runtime.work, runtime.storage, clip_id, what, limits=runtime.settings.uploads, by=OWNER
    )
    if not parts:
        with runtime.work() as session:
            mine = uploads.upload_by_id(session, upload.id)
            url = uploads.sign_parts(session, runtime.storage, mine, [1])[0]["url"]
        assert carrier.put(url, data) == 200
    arrivals.complete(runtime.work, runtime.storage, upload.id, by=OWNER)


def share(runtime: Runtime, clip_id: str, film: Path) -> None:
    """As `send`, of a film that is long enough to be shared out, while a second worker has nothing to do."""
    with runtime.work() as session:
        for name in ("films@a/0", "films@b/0"):
            facts = {"lanes": ["heavy", "slow"]}
            session.merge(WorkerSeen(name=name, seen_at=db_now(session), facts=facts))
    send(runtime, clip_id, film)


def give_up(runtime: Runtime, clip_id: str, film: Path) -> None:
    """Open an upload and think better of it."""
    what = Announced("other.mp4", 1000, "video/mp4", idempotency_key="other")
    try:
        upload, _new, _parts = uploads.start_or_resume(
            runtime.work, runtime.storage, clip_id, what, limits=runtime.settings.uploads, by=OWNER
        )
        arrivals.abort(runtime.work, runtime.storage, upload.id, by=OWNER)
    except Missing:
        return
    del film


def poster(runtime: Runtime, clip_id: str, _film: Path) -> None:
    """Another picture for the clip, sent by its owner; asked for once."""
    with runtime.read() as session:
        clip = session.get_one(Clip, clip_id)
        if session.scalars(select(Job).where(Job.clip_id == clip_id, Job.kind == JobKind.POSTER)).first():
            return
    picture = io.BytesIO()
    Image.new("RGB", (320, 180), "teal").save(picture, "PNG")
    data = picture.getvalue()
    key, kind = posters.announce_still(clip, data[:64], len(data))
    runtime.storage.put(Bucket.ORIGINALS, key, data, content_type=kind)
    with runtime.work() as session:
        posters.use_still(session, session.get_one(Clip, clip_id), key, by=OWNER)


def approve(runtime: Runtime, clip_id: str, _film: Path) -> None:
    with runtime.work() as session:
        clip = session.get_one(Clip, clip_id)
        staff = people.staff(session)[0]
        review.approve(
            session, clip, by=Actor(ActorKind.MODERATOR, staff.id), seen_version=clip.version, delay=0.0
        )


def recut(runtime: Runtime, clip_id: str, _film: Path) -> None:
    """The same film under a newer ladder, as `clips replan` asks for it; asked for once."""
    with runtime.work() as session:
        clip = session.get_one(Clip, clip_id)
        newest = session.scalars(select(Cut.number).where(Cut.clip_id == clip_id)).all()
        if max(newest) == 1:
            cuts.begin(session, clip, EditList(), origin=cuts.REPLAN, by=lifecycle.WORKER)


def withdraw(runtime: Runtime, clip_id: str, _film: Path) -> None:
    with runtime.work() as session:
        withdrawal.withdraw(session, session.get_one(Clip, clip_id), by=OWNER)


def erase(runtime: Runtime, clip_id: str, _film: Path) -> None:
    with runtime.work() as session:
        withdrawal.erase_request(session, session.get_one(Clip, clip_id), by=OWNER)


def wait(runtime: Runtime, _clip_id: str, _film: Path) -> None:
    """Nobody does anything, the clock goes on."""
    pass_time(runtime)


STAGES: dict[str, Stage] = {
    "give_up": Stage(give_up, State.UPLOADING),
    "send": Stage(send, State.IN_REVIEW),
    "poster": Stage(poster, State.IN_REVIEW),
    "approve": Stage(approve, State.PUBLISHED),
    "recut": Stage(recut, State.PUBLISHED),
    "wait": Stage(wait, State.PUBLISHED),
    "withdraw": Stage(withdraw, State.WITHDRAWN),
    "erase": Stage(erase, State.ERASED),
    "share": Stage(share, State.IN_REVIEW),
}
ORDINARY = tuple(stage for stage in STAGES if stage != "share")
LONG = ("share",)
"""A clip's life, and the beginning of another one's, whose film several workers make (`SHARING` in its environment)."""

SHARING = {"TRANSCODE_PARALLEL_FROM": "12"}


# What workers do -----------------------------------------------------------------------------------------


def work_off(shop: Workshop) -> None:
    """Everything that is due, as one worker after the other would; an unforeseen error ends one task, not the worker."""
    for _ in range(60):
        due = _due(shop.runtime)
        if not due:
            return
        for kind, subject in due:
            try:
                tasks.TASKS[kind](shop, subject)
            except (crash.Crash, PortalError) as error:
                logging.getLogger(__name__).info("task broken: %r", error)
    raise AssertionError(f"never done: {_due(shop.runtime)}")


def _due(runtime: Runtime) -> list[tuple[JobKind, str]]:
    with runtime.read() as session:
        now = db_now(session)
        free = (Job.state == JobState.QUEUED) & (Job.run_after <= now)
        lost = (Job.state == JobState.RUNNING) & (Job.lease_until < now)
        jobs = session.execute(
            select(Job.kind, Job.id).where(free | lost).order_by(Job.run_after, Job.id)
        ).all()
        waits = (Notice.state == NoticeState.WAITING) & (Notice.run_after <= now)
        stuck = (Notice.state == NoticeState.SENDING) & (Notice.lease_until < now)
        letters = session.scalars(select(Notice.id).where(waits | stuck).order_by(Notice.id)).all()
        return [(JobKind(kind), job) for kind, job in jobs] + [(JobKind.TELL, str(one)) for one in letters]


def sweep(shop: Workshop) -> None:
    """The clock's two tasks."""
    for how in ("quick", "thorough"):
        try:
            tasks.sweep(shop, how)
        except crash.Crash as error:
            logging.getLogger(__name__).info("sweep broken: %r", error)


def shop_of(runtime: Runtime) -> Workshop:
    return Workshop(runtime=runtime, tools=footage.tools(), pace=PACE)


class Helper(Bells):
    """A second worker, who comes as soon as anybody rings for a piece of a long film, and makes that one piece."""

    shop: Workshop | None = None

    def __call__(self, bell: Bell) -> None:
        super().__call__(bell)
        if bell.kind is JobKind.CHUNK and self.shop is not None:
            shop, self.shop = self.shop, None
            with contextlib.suppress(PortalError, crash.Crash):
                tasks.TASKS[bell.kind](shop, bell.subject)


def live(runtime: Runtime, stage: str, clip_id: str, film: Path) -> None:
    """One stage from beginning to end, in one process."""
    if stage in LONG:
        helper = Helper()
        helper.shop = shop_of(runtime)
        runtime = dataclasses.replace(runtime, wake=helper)
    with contextlib.suppress(PortalError, crash.Crash):
        STAGES[stage].act(runtime, clip_id, film)
    shop = shop_of(runtime)
    work_off(shop)
    sweep(shop)


def pass_time(runtime: Runtime, hours: float = 3.0) -> None:
    """As if so much time had gone by: every moment on record lies further back. History is append-only and stays."""
    with runtime.work() as session:
        for table in Base.metadata.tables.values():
            moments = [one for one in table.columns if isinstance(one.type, UTCDateTime)]
            if not moments or table.name in ("audit_event", "consent_text"):
                continue
            for row in session.execute(select(table)).mappings().all():
                here = [key == row[key.name] for key in table.primary_key]
                moved = {one.name: row[one.name] - timedelta(hours=hours) for one in moments if row[one.name]}
                if moved:
                    session.execute(update(table).where(*here).values(**moved))


def heal(runtime: Runtime, stage: str, clip_id: str, film: Path) -> None:
    """Time passes, the person tries again, the sweep rings, another worker goes on, the janitor tidies."""
    shop = shop_of(runtime)
    for _ in range(2):
        pass_time(runtime)
        tasks.sweep(shop, "quick")
        with contextlib.suppress(Conflict):
            STAGES[stage].act(runtime, clip_id, film)
        work_off(shop)
    pass_time(runtime)
    sweep(shop)


def overtake(runtime: Runtime, clip_id: str, film: Path) -> None:
    """The owner takes the clip back and has it forgotten at once, while somebody still works on it."""
    shop = shop_of(runtime)
    withdraw(runtime, clip_id, film)
    work_off(shop)
    erase(runtime, clip_id, film)
    pass_time(runtime)
    work_off(shop)


# What must be true afterwards -----------------------------------------------------------------------------


def clip_of(runtime: Runtime, clip_id: str) -> Clip:
    with runtime.read() as session:
        return session.get_one(Clip, clip_id)


ONCE = ("complete", "ready", "approve", "publish", "withdraw", "erase", "republish")


def broken_promises(runtime: Runtime, stage: str, clip_id: str) -> list[str]:
    """Everything that is not as was promised, in words; an empty list when all is well."""
    told = [f"{one.invariant} {one.subject}: {one.detail}" for one in _findings(runtime)]
    with runtime.read() as session:
        clip = session.get_one(Clip, clip_id)
        if clip.state != STAGES[stage].ends:
            jobs = [(j.kind, j.state, j.attempt, j.error_detail) for j in session.scalars(select(Job))]
            told.append(f"the clip is {clip.state}, not {STAGES[stage].ends}: {jobs}")
        verbs = list(session.scalars(select(models.AuditEvent.verb)))
        told += [f"{verb} happened {verbs.count(verb)} times" for verb in ONCE if verbs.count(verb) > 1]
        shown = [
            one for one in session.scalars(select(Publication))
            if one.complete_at is not None and one.superseded_at is None and one.deleted_at is None
        ]  # fmt: skip
        if len(shown) != (clip.state == State.PUBLISHED):
            told.append(f"{len(shown)} publications of a clip that is {clip.state}")
        adopted = list(session.scalars(select(Cut.id).where(Cut.state == CutState.ADOPTED)))
        if len(adopted) > 1 or (clip.cut_id is not None and adopted != [clip.cut_id]):
            told.append(f"cuts that count: {adopted}, the clip's is {clip.cut_id}")
        if left := list(
            session.scalars(select(Job.kind).where(Job.state.in_(["queued", "running", "failed"])))
        ):
            told.append(f"jobs left: {left}")
        told += _letters(runtime, list(session.scalars(select(Notice))), is_erased=clip.state == State.ERASED)
    scratch = runtime.settings.media.scratch
    if scratch.is_dir() and (folders := [path.name for path in scratch.iterdir()]):
        told.append(f"work folders left: {folders}")
    return told


def _findings(runtime: Runtime) -> list[fsck.Finding]:
    return fsck.check(runtime.read, runtime.storage, grace_seconds=-60.0, deep=True)


def _letters(runtime: Runtime, notices: list[Notice], *, is_erased: bool) -> list[str]:
    sent = {one.message_id for one in notices if one.state == NoticeState.SENT}
    told = [
        f"the letter {one.kind} is {one.state}" for one in notices if one.state not in ("sent", "cancelled")
    ]
    folder = runtime.settings.mail.folder
    lies = {path.stem for path in folder.glob("*.eml")} if folder.is_dir() else set()
    if is_erased:
        # Of the letters, the receipt alone may lie there, for a day.
        lies -= {one.message_id for one in notices if one.kind == "erased"}
    if not is_erased and lies != sent:
        told.append(f"{len(lies)} letters left, {len(sent)} are on record")
    if is_erased and lies:
        told.append(f"{len(lies)} letters lie in our folder")
    if (kinds := [one.kind for one in notices]) and len(set(kinds)) != len(kinds):
        told.append(f"letters twice: {kinds}")
    return told


def empty(storage: Storage) -> None:
    for bucket in Bucket:
        storage.delete(bucket, list(storage.keys(bucket)))
    for left in list(storage.open_multiparts()):
        storage.abort_multipart(left.key, left.upload_id)
