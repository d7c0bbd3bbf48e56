"""The first picture of a film: what is made of which film, what is stored when, and that nothing of it stays."""

import dataclasses
import re
import threading

import pytest
from sqlalchemy import select

from media_jobs import preview, previewing, tasks
from media_jobs.ffmpeg import Cancelled
from media_jobs.probe import Limits, inspect
from media_jobs.tracks import read
from portal import keys, submission
from portal.edits import EditList
from portal.jobs import JobKind
from portal.models import Clip, Film, Job, JobState, Rendition, Role, State
from portal.storage import Bucket, Storage
from portal.web.playback import preview_playlist
from tests import footage, lips
from tests.jobs import stage


def never():
    return False


def facts_of(path):
    return inspect(footage.tools(), path, Limits())


def film_of(runtime, clip):
    with runtime.read() as session:
        return session.scalars(select(Film).where(Film.clip_id == clip.id)).one()


def kept(runtime, clip):
    return set(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


@pytest.mark.parametrize(
    ("make", "copied"),
    [
        (footage.small, True),
        (footage.rotated, True),
        (footage.full_range, True),
        (footage.uneven, True),
        (footage.odd_size, False),
        (footage.hlg, False),
        (footage.recorder, False),
    ],
)
def test_what_every_browser_plays_is_copied_whole_and_nothing_else(tmp_path, make, copied):
    path = make(tmp_path)
    facts = facts_of(path)
    assert preview.can_be_copied(facts) is copied
    if copied:
        made = preview.copy(footage.tools(), path, tmp_path, facts, never)
        assert preview.holds_what_is_shown(made, facts)


def test_a_copy_begins_with_its_index_stands_upright_and_tells_nothing(tmp_path):
    original = footage.located(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    made = preview.copy(footage.tools(), original, folder, facts_of(original), never)
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    words = (footage.PLACE, footage.PLACE.replace("+", "p"), footage.PHONE, "x264 - core")
    assert not [word for word in words if word.encode() in data]
    assert set(read(made)) == {"vide", "soun"}

    lying = footage.rotated(tmp_path)
    turned = preview.copy(footage.tools(), lying, folder, facts_of(lying), never)
    assert footage.packets(turned, "stream_side_data=rotation") == ["-90"]


def test_the_first_segment_of_an_hdr_film_can_be_watched_before_the_rest_is_made(tmp_path):
    wide, folder = tmp_path / "wide.mp4", tmp_path / "out"
    folder.mkdir()
    shown = "testsrc2=size=854x480:rate=30,format=yuv420p10le,setparams=color_trc=arib-std-b67"
    words = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
    footage.ffmpeg("-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine", "-t", 20, *words, wide)
    with pytest.raises(Cancelled):
        preview.encode(footage.tools(), wide, folder, facts_of(wide), lambda: bool(preview.segments(folder)))
    pieces = preview.segments(folder)
    assert 1 <= len(pieces) < 10
    assert {round(one.seconds, 1) for one in pieces} == {2.0}
    first = tmp_path / "first.mp4"
    first.write_bytes((folder / preview.INIT_NAME).read_bytes() + pieces[0].path.read_bytes())
    assert footage.packets(first, "stream=codec_name,pix_fmt,color_transfer")[0] == "h264,yuv420p,bt709"
    assert len(footage.packets(first, "packet=size")) == 60
    assert len(footage.packets(first, "packet=size", "a:0")) > 80


H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", 3, "-pix_fmt", "yuv420p")
KINDS = {
    "as it is": (("-c:a", "aac"), {}),
    "sound that begins late": (("-c:a", "aac"), {"late": 0.25, "inputs": ((), ("-itsoffset", 0.25))}),
    "sound of another coder": (("-c:a", "libmp3lame"), {}),
}


@pytest.mark.parametrize(
    ("way", "kind"), [*(("copied", kind) for kind in KINDS), ("encoded", "sound that begins late")]
)
def test_lips_and_words_stay_together_in_the_first_picture_too(tmp_path, way, kind):
    path, folder = tmp_path / "film.mp4", tmp_path / "out"
    folder.mkdir()
    sound, options = KINDS[kind]
    at = lips.both(path, H264, sound, seconds=2.5, size="64x36", **options)
    facts = facts_of(path)
    assert preview.can_be_copied(facts)
    if way == "copied":
        watched = preview.copy(footage.tools(), path, folder, facts, never)
    else:
        preview.encode(footage.tools(), path, folder, facts, never)
        pieces = [folder / preview.INIT_NAME, *(one.path for one in preview.segments(folder))]
        watched = tmp_path / "watched.mp4"
        watched.write_bytes(b"".join(one.read_bytes() for one in pieces))
    # What is made begins with its encoder's delay of two frames, picture and sound alike.
    assert lips.apart(watched, at=at, slack=0.07) <= 0.010


def test_a_plain_film_is_watchable_at_once_and_the_ladder_sweeps_its_preview_from_the_record(
    make, runtime, shop, tmp_path
):
    clip = stage.arrived(make, runtime, footage.small(tmp_path))
    tasks.TASKS[JobKind.PREVIEW](shop, stage.ask(runtime, clip, JobKind.PREVIEW))
    told = film_of(runtime, clip).preview
    assert (told["kind"], told["complete"], told["width"], told["height"]) == ("mp4", True, 320, 180)
    assert [file["key"] for file in told["files"]] == list(kept(runtime, clip))
    assert stage.row(runtime, Clip, clip.id).state == State.PROCESSING

    tasks.TASKS[JobKind.TRANSCODE](shop, stage.ask(runtime, clip, JobKind.TRANSCODE))
    assert film_of(runtime, clip).preview == {}
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW


def test_what_the_owner_cut_off_before_sending_is_in_no_first_picture(make, runtime, shop, tmp_path):
    halves = "color=red:size=160x90:rate=30:duration=1.5[a];color=blue:size=160x90:rate=30:duration=1.5[b];[a][b]concat"
    path = footage.made(
        tmp_path / "halves.mp4", "-f", "lavfi", "-i", halves, "-f", "lavfi", "-i", "sine=duration=3",
        *footage.QUICK, *footage.SOUND,
    )  # fmt: skip
    assert preview.can_be_copied(facts_of(path))
    clip = stage.arrived(make, runtime, path)
    with runtime.work() as session:
        session.get_one(Film, film_of(runtime, clip).id).edits = EditList(start=1.6).as_json()
    tasks.TASKS[JobKind.PREVIEW](shop, stage.ask(runtime, clip, JobKind.PREVIEW))
    told = film_of(runtime, clip).preview
    assert (told["kind"], told["complete"]) == ("hls", True)
    assert told["seconds"] == pytest.approx(1.4, abs=0.04)
    shown = footage.frames(watched(runtime, clip, tmp_path / "watched.mp4"), (1, 1))
    assert len(shown) == pytest.approx(42, abs=1)
    assert all(frame[2] > frame[0] for frame in shown)


def watched(runtime, clip, path):
    """The first picture as a player gets it, one file."""
    files = film_of(runtime, clip).preview["files"]
    path.write_bytes(
        b"".join(runtime.storage.read(Bucket.ORIGINALS, one["key"], 0, one["bytes"]) for one in files)
    )
    return path


@pytest.mark.parametrize("group", [60, 15])
def test_a_passage_that_a_phone_cut_out_is_in_no_first_picture(make, runtime, shop, tmp_path, group):
    whole = footage.three_colours(tmp_path, group=group)
    path = footage.passages(whole, (0, 0.5), (1.0, 1.5))
    assert footage.colours(path) == "r15 b15"
    assert preview.can_be_copied(facts_of(path))
    clip = stage.arrived(make, runtime, path)
    tasks.TASKS[JobKind.PREVIEW](shop, stage.ask(runtime, clip, JobKind.PREVIEW))
    told = film_of(runtime, clip).preview
    assert (told["kind"], told["complete"]) == ("hls", True)
    shown = footage.colours(watched(runtime, clip, tmp_path / "watched.mp4"))
    # Where no key frame stands, ffmpeg itself is two frames late with the next passage.
    assert re.fullmatch(r"r1[57] b15", shown), shown


@pytest.mark.parametrize(
    ("spans", "is_whole"),
    [
        (((0, 1.5),), True),
        (((0, 0.5), (1.0, 1.5)), False),
        (((0, 0.5), (0, 0.5)), False),
        (((0, 1.1),), False),
        # Hidden before the first instant: no player shows it, and still it would be handed on.
        (((0.7, 1.5),), False),
    ],
    ids=["whole", "a passage cut out", "a passage twice", "the end cut off", "the beginning cut off"],
)
def test_a_copy_holds_every_frame_that_is_shown_and_no_other(tmp_path, spans, is_whole):
    path = footage.passages(footage.three_colours(tmp_path, group=15), *spans)
    facts = facts_of(path)
    made = preview.copy(footage.tools(), path, tmp_path, facts, never)
    assert preview.holds_what_is_shown(made, facts) is is_whole


def test_a_preview_that_comes_after_the_ladder_is_not_made(make, runtime, shop, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path))
    job_id = stage.ask(runtime, clip, JobKind.PREVIEW)
    with runtime.work() as session:
        session.get_one(Film, film_of(runtime, clip).id).ready_at = stage.db_now(session)
    tasks.TASKS[JobKind.PREVIEW](shop, job_id)
    assert not kept(runtime, clip)
    assert not film_of(runtime, clip).preview
    assert stage.row(runtime, Job, job_id).state == JobState.DONE


def test_a_film_that_cannot_be_used_is_not_refused_here(make, runtime, shop, tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("This is a letter." * 100)
    clip = stage.arrived(make, runtime, path)
    job_id = stage.ask(runtime, clip, JobKind.PREVIEW)
    tasks.TASKS[JobKind.PREVIEW](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.DONE
    assert stage.row(runtime, Clip, clip.id).state == State.PROCESSING
    assert not film_of(runtime, clip).preview


def test_behind_a_long_queue_only_copies_are_made(make, runtime, shop, tmp_path, monkeypatch):
    monkeypatch.setattr(previewing, "SHORT_QUEUE", 0)
    clip = stage.arrived(make, runtime, footage.recorder(tmp_path))
    stage.ask(runtime, clip, JobKind.TRANSCODE)
    tasks.TASKS[JobKind.PREVIEW](shop, stage.ask(runtime, clip, JobKind.PREVIEW))
    assert not film_of(runtime, clip).preview


def test_pieces_are_on_record_while_the_rest_is_being_made_and_a_growing_playlist_names_them(
    make, runtime, tmp_path, app
):
    clip = stage.arrived(make, runtime, footage.recorder(tmp_path, seconds=5))
    growing = []

    def playlist():
        with app.app_context():
            return preview_playlist(runtime.storage, film_of(runtime, clip))

    class Watched(Storage):
        """Looks at what the record says whenever a piece is put."""

        def put(self, *words, **facts):
            if film_of(runtime, clip).preview:
                growing.append(playlist())
            super().put(*words, **facts)

    shop = stage.shop_of(dataclasses.replace(runtime, storage=Watched(runtime.settings.storage)))
    tasks.TASKS[JobKind.PREVIEW](shop, stage.ask(runtime, clip, JobKind.PREVIEW))
    whole = playlist()
    assert whole.endswith("#EXT-X-ENDLIST\n")
    assert [text for text in growing if "ENDLIST" in text] == []
    assert all("#EXT-X-START:TIME-OFFSET=0" in text for text in (*growing, whole))
    addresses = re.findall(r'^(?:#EXT-X-MAP:URI=")?(http[^"\n]+)', whole, re.MULTILINE)
    assert len(addresses) == 4
    names = [file["name"] for file in film_of(runtime, clip).preview["files"]]
    assert names == ["init.mp4", "part-0000.cmfv", "part-0001.cmfv", "part-0002.cmfv"]


def test_a_worker_that_is_told_to_stop_gives_the_preview_back(make, runtime, tmp_path):
    stop = threading.Event()

    class Stopping(Storage):
        """The worker is told to stop while it fetches the original."""

        def fetch(self, *words):
            stop.set()
            return super().fetch(*words)

    stopping = dataclasses.replace(runtime, storage=Stopping(runtime.settings.storage))
    shop = stage.shop_of(stopping, is_stopping=stop.is_set)
    clip = stage.arrived(make, runtime, footage.recorder(tmp_path, seconds=3))
    job_id = stage.ask(runtime, clip, JobKind.PREVIEW)
    tasks.TASKS[JobKind.PREVIEW](shop, job_id)
    assert stop.is_set()
    assert stage.row(runtime, Job, job_id).state == JobState.QUEUED
    assert not kept(runtime, clip)


def signed_in(make, client):
    return client.sign_in(make.person(role=Role.MODERATOR))


@pytest.mark.parametrize("kind", ["mp4", "hls"])
def test_owner_and_moderator_watch_it_while_the_ladder_is_made_and_nobody_else(
    make, runtime, app, client, kind
):
    clip = make.clip(State.PROCESSING)
    names = ["preview.mp4"] if kind == "mp4" else ["init.mp4", "part-0000.cmfv"]
    files = [{"name": name, "key": keys.made(clip.id, "a" * 32, name), "bytes": 1} for name in names]
    files[-1] |= {} if kind == "mp4" else {"seconds": 2.0}
    with runtime.work() as session:
        film = Film(
            id="f" * 32,
            clip_id=clip.id,
            number=9,
            key="o/x",
            size_bytes=1,
            facts={},
            received_at=stage.db_now(session),
            preview={"kind": kind, "files": files, "width": 320, "height": 180, "seconds": 2.0},
        )
        session.add(film)
        token = submission.new_link(session, session.get_one(Clip, clip.id))
    page = client.get(f"/fr/s/{token}").text
    assert 'data-film="first"' in page
    assert "Un premier aperçu" in page
    playlist = f"/fr/s/{token}/preview.m3u8"
    assert (playlist in page) is (kind == "hls")
    assert ("preview.mp4?" in page) is (kind == "mp4")
    answer = client.get(playlist)
    assert answer.status_code == (200 if kind == "hls" else 404)
    if kind == "hls":
        assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
        assert "ENDLIST" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
    studio = f"/studio/review/{clip.id}"
    assert app.test_client().get(f"{studio}/preview.m3u8").status_code == 303
    staff = signed_in(make, app.test_client())
    assert staff.get(f"{studio}/preview.m3u8").status_code == answer.status_code
    assert "clip-player" in staff.get(studio).text
    assert client.get("/fr/s/wrong/preview.m3u8").status_code == 404


def test_cards_of_published_clips_know_their_hover_preview(make, runtime, client):
    clip = make.clip(State.PUBLISHED)
    assert "data-preview" not in client.get("/fr/clips").text
    with runtime.work() as session:
        one = session.scalars(
            select(Rendition).where(Rendition.clip_id == clip.id, Rendition.kind == "mp4")
        ).first()
        words = {name: getattr(one, name) for name in ("clip_id", "film_id", "cut_id", "sha256")}
        more = {
            "name": "hover.mp4",
            "kind": "hover",
            "content_type": "video/mp4",
            "size_bytes": 9,
            "key": "p/h",
        }
        session.add(Rendition(**words, **more))
    assert re.search(r'data-preview="http[^"]+/hover\.mp4"', client.get("/fr/clips").text)
