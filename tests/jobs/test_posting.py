"""The picture a clip is known by, changed after its film was made: by proposal, by instant, by a photograph."""

import io

import pytest
from PIL import Image
from sqlalchemy import select

from media_jobs.tasks import TASKS
from portal import cuts, posters
from portal.edits import EditList
from portal.errors import Code
from portal.jobs import JobKind
from portal.lifecycle import OWNER
from portal.models import Clip, Job, JobState, Rendition
from portal.storage import Bucket
from tests import footage
from tests.jobs import stage

PLACE = b"48.8577N"


@pytest.fixture
def clip(make, runtime, tmp_path):
    """A clip whose film, red then blue, was made by the worker."""
    halves = "color=red:size=320x180:rate=30:duration=1[a];color=blue:size=320x180:rate=30:duration=1[b];[a][b]concat"
    path = footage.made(tmp_path / "halves.mp4", "-f", "lavfi", "-i", halves, *footage.QUICK)
    clip = stage.arrived(make, runtime, path)
    work(runtime, clip, JobKind.TRANSCODE)
    return clip


def work(runtime, clip, kind):
    job_id = (
        stage.ask(runtime, clip, kind) if kind == JobKind.TRANSCODE else stage.open_job(runtime, clip, kind)
    )
    TASKS[kind](stage.shop_of(runtime), job_id)
    return stage.row(runtime, Job, job_id)


def choose(runtime, clip, at):
    with runtime.work() as session:
        posters.choose(session, session.get_one(Clip, clip.id), at, by=OWNER)


def send(runtime, clip, data):
    key, kind = posters.announce_still(clip, data[:16], len(data))
    runtime.storage.put(Bucket.ORIGINALS, key, data, content_type=kind)
    with runtime.work() as session:
        posters.use_still(session, session.get_one(Clip, clip.id), key, by=OWNER)
    return key


def posters_of(runtime, clip):
    with runtime.read() as session:
        cut = cuts.current(session, session.get_one(Clip, clip.id))
        made = select(Rendition).where(Rendition.cut_id == cut.id, Rendition.kind.in_(["poster", "card"]))
        return {one.name: one.key for one in session.scalars(made)}


def colour(runtime, clip):
    key = posters_of(runtime, clip)["poster-360.webp"]
    size = runtime.storage.size(Bucket.ORIGINALS, key)
    with Image.open(io.BytesIO(runtime.storage.read(Bucket.ORIGINALS, key, 0, size))) as picture:
        return picture.convert("RGB").resize((1, 1)).getpixel((0, 0))


def photograph(colour="lime", kind="JPEG"):
    written, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = PLACE.decode()
    Image.new("RGB", (640, 480), colour).save(written, kind, exif=exif)
    return written.getvalue()


def test_an_instant_of_the_film_becomes_the_poster_and_the_files_before_are_gone(clip, runtime):
    before = posters_of(runtime, clip)
    for at, channel in ((0.2, 0), (1.7, 2)):
        choose(runtime, clip, at)
        assert work(runtime, clip, JobKind.POSTER).state == JobState.DONE
        found = colour(runtime, clip)
        assert found[channel] > 200
        assert found[2 - channel] < 60
    after = posters_of(runtime, clip)
    assert after.keys() == before.keys()
    assert not set(before.values()) & set(after.values())
    assert all(runtime.storage.size(Bucket.ORIGINALS, key) is None for key in before.values())


def test_where_the_cut_leaves_the_chosen_instant_out_the_nearest_proposal_stands_in(clip, runtime):
    choose(runtime, clip, 0.3)
    with runtime.work() as session:
        cut = cuts.current(session, session.get_one(Clip, clip.id))
        # The last picture, of the blue half, is the nearest.
        cut.edits, cut.seconds = EditList(start=1.0).as_json(), 1.0
        cut.proposals = [1.9 - 0.1 * place for place in range(len(cut.proposals))]
    assert work(runtime, clip, JobKind.POSTER).state == JobState.DONE
    red, _green, blue = colour(runtime, clip)
    assert blue > red


def test_a_photograph_becomes_the_poster_as_new_pixels_only(clip, runtime):
    sent = send(runtime, clip, photograph())
    assert work(runtime, clip, JobKind.POSTER).state == JobState.DONE
    assert colour(runtime, clip)[1] > 200
    kept = stage.row(runtime, Clip, clip.id).still_key
    assert kept != sent
    assert runtime.storage.size(Bucket.ORIGINALS, sent) is None
    for key in [kept, *posters_of(runtime, clip).values()]:
        data = runtime.storage.read(Bucket.ORIGINALS, key, 0, runtime.storage.size(Bucket.ORIGINALS, key))
        assert PLACE not in data


def test_a_photograph_stays_the_poster_when_the_film_is_cut(clip, runtime):
    send(runtime, clip, photograph())
    work(runtime, clip, JobKind.POSTER)
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        cuts.begin(session, one, cuts.edits_of(None), origin=cuts.REPLAN, by=OWNER)
    assert work(runtime, clip, JobKind.REMAKE).state == JobState.DONE
    assert colour(runtime, clip)[1] > 200


def test_what_is_no_photograph_leaves_the_poster_as_it_is_and_says_why(clip, runtime):
    before = posters_of(runtime, clip)
    sent = send(runtime, clip, photograph()[:300])
    assert work(runtime, clip, JobKind.POSTER).error_code == Code.NOT_A_PICTURE
    assert stage.row(runtime, Clip, clip.id).still_key is None
    assert posters_of(runtime, clip) == before
    assert runtime.storage.size(Bucket.ORIGINALS, sent) is None
    with runtime.read() as session:
        assert posters.trouble(session, session.get_one(Clip, clip.id)) == Code.NOT_A_PICTURE


def test_after_a_refused_photograph_the_instant_chosen_before_is_chosen_again(clip, runtime):
    choose(runtime, clip, 1.7)
    work(runtime, clip, JobKind.POSTER)
    send(runtime, clip, photograph()[:300])
    # One more, before the worker has looked at the first.
    send(runtime, clip, photograph()[:310])
    assert work(runtime, clip, JobKind.POSTER).error_code == Code.NOT_A_PICTURE
    kept = stage.row(runtime, Clip, clip.id)
    assert (kept.poster_at, kept.still_key) == (1.7, None)
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        cuts.begin(session, one, cuts.edits_of(None), origin=cuts.REPLAN, by=OWNER)
    assert work(runtime, clip, JobKind.REMAKE).state == JobState.DONE
    assert colour(runtime, clip)[2] > 200


def test_after_a_refused_photograph_the_good_one_before_it_stays_and_is_not_swept_meanwhile(clip, runtime):
    send(runtime, clip, photograph())
    work(runtime, clip, JobKind.POSTER)
    good = stage.row(runtime, Clip, clip.id).still_key
    send(runtime, clip, photograph()[:300])
    with runtime.read() as session:
        assert good in cuts.stills(session)
    work(runtime, clip, JobKind.POSTER)
    assert stage.row(runtime, Clip, clip.id).still_key == good
    assert runtime.storage.size(Bucket.ORIGINALS, good) is not None


def test_a_cut_made_while_a_photograph_waits_shows_the_choice_before_it(clip, runtime):
    choose(runtime, clip, 1.7)
    work(runtime, clip, JobKind.POSTER)
    send(runtime, clip, photograph())
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        cuts.begin(session, one, cuts.edits_of(None), origin=cuts.REPLAN, by=OWNER)
    assert work(runtime, clip, JobKind.REMAKE).state == JobState.DONE
    assert colour(runtime, clip)[2] > 200


def test_choosing_again_while_the_worker_is_at_it_is_what_counts(clip, runtime):
    choose(runtime, clip, 0.2)
    early = stage.open_job(runtime, clip, JobKind.POSTER)
    with runtime.work() as session:
        posters.choose(session, session.get_one(Clip, clip.id), 1.7, by=OWNER)
    TASKS[JobKind.POSTER](stage.shop_of(runtime), early)
    with runtime.read() as session:
        wanted = (Job.clip_id == clip.id, Job.kind == JobKind.POSTER, Job.state == JobState.QUEUED)
        late = session.scalars(select(Job.id).where(*wanted)).one()
    TASKS[JobKind.POSTER](stage.shop_of(runtime), late)
    assert colour(runtime, clip)[2] > 200


def test_a_photograph_that_is_gone_keeps_no_film_from_being_made(clip, runtime):
    send(runtime, clip, photograph())
    work(runtime, clip, JobKind.POSTER)
    runtime.storage.delete(Bucket.ORIGINALS, [stage.row(runtime, Clip, clip.id).still_key])
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        cuts.begin(session, one, cuts.edits_of(None), origin=cuts.REPLAN, by=OWNER)
    assert work(runtime, clip, JobKind.REMAKE).state == JobState.DONE
    assert colour(runtime, clip)[1] < 100


def test_a_photograph_that_no_moderator_has_seen_is_not_shown_by_a_newer_ladder(clip, runtime):
    send(runtime, clip, photograph())
    with runtime.work() as session:
        one = session.get_one(Clip, clip.id)
        cuts.begin(session, one, cuts.edits_of(None), origin=cuts.REPLAN, by=OWNER)
    assert work(runtime, clip, JobKind.REMAKE).state == JobState.DONE
    assert colour(runtime, clip)[1] < 100
    assert work(runtime, clip, JobKind.POSTER).state == JobState.DONE
    assert colour(runtime, clip)[1] > 200
