"""The signals' job on real films: what it finds, what it leaves alone, what it costs when something breaks."""

import importlib
import sys

import pytest
from sqlalchemy import func, select, update

from media_jobs import signals as package
from media_jobs.signals import registry
from media_jobs.tasks import TASKS
from portal import signals
from portal.jobs import JobKind
from portal.lifecycle import enqueue
from portal.models import (
    Clip,
    Cut,
    Film,
    Fingerprint,
    FingerprintKey,
    Job,
    JobState,
    Rendition,
    Signal,
    State,
)
from portal.storage import Bucket
from tests import footage
from tests.jobs import stage

ODD = (
    "testsrc2=size=320x180:rate=25,trim=end=2[moves];color=black:size=320x180:rate=25,trim=end=2[black];"
    "color=gray:size=320x180:rate=25,drawbox=x=80:y=40:w=80:h=80:color=white:t=fill,trim=end=2[still];"
    "[moves][black][still]concat=n=3,format=yuv420p[v]"
)


@pytest.fixture
def shop(runtime):
    return stage.shop_of(runtime)


def film(path, picture, sound="sine=frequency=440:sample_rate=48000", seconds=6):
    graph = f"{picture}[v0];[v0]null[v]" if "[v]" not in picture else picture
    words = ("-filter_complex", f"{graph};{sound}[a]", "-map", "[v]", "-map", "[a]", "-t", seconds)
    footage.ffmpeg(*words, *footage.QUICK, *footage.SOUND, "-ac", 1, path)
    return path


def stored(make, runtime, path, *, loudness=-20.0, with_sound=True, **columns):
    """A clip that is made already: its lowest rung and its sound are this film."""
    clip = make.clip(**columns)
    seconds = float(footage.packets(path, "format=duration")[0])
    with runtime.work() as session:
        session.execute(update(Cut).where(Cut.id == clip.cut_id).values(seconds=seconds, loudness=loudness))
        facts = {"duration_seconds": seconds}
        session.execute(update(Film).where(Film.id == clip.film_id).values(facts=facts, sha256=None))
        kinds = ("hls_video", "hls_audio")
        made = select(Rendition).where(Rendition.cut_id == clip.cut_id, Rendition.kind.in_(kinds))
        for one in session.scalars(made):
            if one.kind == "hls_audio" and not with_sound:
                session.delete(one)
            else:
                runtime.storage.put(Bucket.ORIGINALS, one.key, path, content_type="video/mp4")
    return clip


def looked(make, runtime, shop, path, **columns):
    """The clip of this film, looked at; and the job."""
    clip = stored(make, runtime, path, **columns)
    job_id = asked(runtime, clip)
    TASKS[JobKind.SIGNALS](shop, job_id)
    return clip, job_id


def asked(runtime, clip):
    with runtime.work() as session:
        return enqueue(session, session.get_one(Clip, clip.id), JobKind.SIGNALS, film_id=clip.film_id).id


def rows(runtime, clip):
    with runtime.read() as session:
        return list(session.scalars(select(Signal).where(Signal.clip_id == clip.id).order_by(Signal.id)))


def passages(runtime, clip, kind):
    return [
        (round(row.at_seconds, 1), round(row.until_seconds, 1))
        for row in rows(runtime, clip)
        if row.kind == kind
    ]


def test_black_and_frozen_passages_are_told_with_their_times_once(make, runtime, shop, tmp_path):
    clip, job_id = looked(make, runtime, shop, film(tmp_path / "odd.mp4", ODD))
    assert passages(runtime, clip, "black") == [(2.0, 4.0)]
    assert passages(runtime, clip, "frozen") == [(4.0, 6.0)]
    before = len(rows(runtime, clip))
    again = asked(runtime, clip)
    TASKS[JobKind.SIGNALS](shop, again)
    TASKS[JobKind.SIGNALS](shop, job_id)
    assert len(rows(runtime, clip)) == before
    assert stage.row(runtime, Job, again).state == JobState.DONE
    assert stage.row(runtime, Film, clip.film_id).signals_at is not None


PLAIN = "testsrc2=size=160x90:rate=25"
# As it was made: at -16 LUFS, whatever it came with.
LOUD = "sine=frequency=997:sample_rate=48000,volume=6dB"
FAINT = "anoisesrc=color=pink:amplitude=0.003:seed=1:sample_rate=48000"


@pytest.mark.parametrize(
    ("sound", "words"), [(LOUD, "peut-être saturé"), (FAINT, "très faible"), (None, "n’a pas de son")]
)
def test_a_level_out_of_the_ordinary_is_told(make, runtime, shop, tmp_path, sound, words):
    path = footage.silent(tmp_path) if sound is None else film(tmp_path / "level.mp4", PLAIN, sound, 3)
    loudness = {LOUD: -4.4, FAINT: -40.0, None: None}[sound]
    clip, _ = looked(make, runtime, shop, path, loudness=loudness, with_sound=sound is not None)
    assert [words in row.facts["says"] for row in rows(runtime, clip) if row.kind == "loudness"] == [True]


def test_the_same_film_encoded_again_is_found_and_the_same_file_too(make, runtime, shop, tmp_path):
    pan = (
        "perlin=size=320x180:rate=12:random_mode=seed:random_seed=7:octaves=3:xscale=3:yscale=3:tscale=.02,"
        "crop=w=160:h=90:x='80+60*sin(t)':y='45+30*cos(t)'"
    )
    first = film(tmp_path / "first.mp4", pan, seconds=6)
    again = tmp_path / "again.mp4"
    words = ("-vf", "crop=iw*.96:ih*.96,scale=128:72", *footage.QUICK, *footage.SOUND)
    footage.ffmpeg("-ss", 1.3, "-i", first, *words, again)
    original, _ = looked(make, runtime, shop, first)
    smaller, _ = looked(make, runtime, shop, again)
    copy = stored(make, runtime, first)
    with runtime.work() as session:
        same = Film.id.in_([original.film_id, copy.film_id])
        session.execute(update(Film).where(same).values(sha256="5" * 64))
    TASKS[JobKind.SIGNALS](shop, asked(runtime, copy))
    found = {row.facts["clip"]: row for row in rows(runtime, smaller) if row.kind == "duplicate"}
    assert found[original.id].facts["what"] == "film"
    assert found[original.id].facts["other_at"] == pytest.approx(1.3, abs=0.3)
    same = {row.facts["clip"]: row.facts["what"] for row in rows(runtime, copy) if row.kind == "duplicate"}
    assert same == {original.id: "file", smaller.id: "film"}


def test_a_signal_that_breaks_is_said_to_be_missing_and_the_others_count(
    make, runtime, shop, tmp_path, monkeypatch
):
    def broken(_material):
        raise ZeroDivisionError

    every = registry.every()
    signal = registry.Signal("frozen", "Image figée", "", registry.Need.PICTURE, broken)
    monkeypatch.setitem(registry._known, "frozen", signal)
    clip, job_id = looked(make, runtime, shop, film(tmp_path / "odd.mp4", ODD))
    assert len(every) > 5
    assert passages(runtime, clip, "black") == [(2.0, 4.0)]
    kept = stage.row(runtime, Film, clip.film_id)
    assert kept.facts["looked"]["failed"] == {"frozen": "Image figée"}
    assert stage.row(runtime, Job, job_id).state == JobState.DONE


def test_a_job_that_fails_for_good_leaves_the_clip_alone(make, runtime, shop, tmp_path):
    clip = make.clip()
    job_id = asked(runtime, clip)
    for _ in range(3):
        TASKS[JobKind.SIGNALS](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.FAILED
    assert stage.row(runtime, Clip, clip.id).state == State.IN_REVIEW
    assert stage.row(runtime, Film, clip.film_id).signals_at is None


def test_what_needs_no_picture_is_told_even_when_the_film_cannot_be_watched(make, runtime, shop, tmp_path):
    twin = make.clip()
    clip = stored(make, runtime, footage.small(tmp_path, seconds=0.5, size="160x90"))
    with runtime.work() as session:
        session.execute(update(Film).values(sha256="7" * 64))
        broken = session.scalars(
            select(Rendition.key).where(Rendition.clip_id == clip.id, Rendition.kind == "hls_video")
        ).one()
    runtime.storage.put(Bucket.ORIGINALS, broken, b"no film" * 100, content_type="video/mp4")
    job_id = asked(runtime, clip)
    for _ in range(3):
        TASKS[JobKind.SIGNALS](shop, job_id)
    assert stage.row(runtime, Job, job_id).state == JobState.DONE
    assert [row.facts["clip"] for row in rows(runtime, clip)] == [twin.id]
    failed = stage.row(runtime, Film, clip.film_id).facts["looked"]["failed"]
    assert {"black", "frozen", "loudness"} <= set(failed)


def test_a_film_is_looked_at_as_soon_as_it_is_made(make, runtime, shop, tmp_path):
    clip = stage.arrived(make, runtime, footage.small(tmp_path, seconds=0.5, size="160x90"))
    TASKS[JobKind.TRANSCODE](shop, stage.ask(runtime, clip, JobKind.TRANSCODE))
    TASKS[JobKind.SIGNALS](shop, stage.open_job(runtime, clip, JobKind.SIGNALS))
    film_id = stage.row(runtime, Clip, clip.id).film_id
    assert stage.row(runtime, Film, film_id).signals_at is not None
    assert "frozen" in stage.row(runtime, Film, film_id).facts["looked"]["good"]


NEW_SIGNAL = """
from media_jobs.signals.registry import Need, Signal, register
from portal.signals import Finding


def measure(material):
    assert material.picture.is_file()
    return [Finding("Une plaque se lit peut-être à %(at)s (%(share)s).", 0.4, None, {"share": 0.75})]


register(Signal("plate", "Plaques", "Aucune plaque.", Need.PICTURE, measure))
"""


def test_another_signal_is_one_file(make, runtime, shop, tmp_path, monkeypatch):
    (tmp_path / "plates").mkdir()
    (tmp_path / "plates" / "plate_of_a_test.py").write_text(NEW_SIGNAL)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "plates")])
    monkeypatch.setattr(registry, "_known", {one.kind: one for one in registry.every()})
    importlib.invalidate_caches()
    try:
        clip, _ = looked(make, runtime, shop, footage.small(tmp_path))
    finally:
        sys.modules.pop("media_jobs.signals.plate_of_a_test", None)
    with runtime.read() as session:
        film_row = session.get_one(Film, clip.film_id)
        shown = signals.of(session, session.get_one(Clip, clip.id), film_row, None).shown
    assert "Une plaque se lit peut-être à 0:00 (0,8)." in [one.sentence for one in shown]


def test_what_a_film_looks_like_is_kept_and_found_by_a_bounded_number_of_keys(make, runtime, shop, tmp_path):
    clip, _ = looked(make, runtime, shop, footage.small(tmp_path))
    with runtime.read() as session:
        kept = session.get_one(Fingerprint, clip.film_id)
        assert len(kept.frames) == 4 * 8
        assert 0 < session.scalar(select(func.count()).select_from(FingerprintKey)) <= 128


def test_another_language_than_the_declared_one_is_told(make, runtime, shop, tmp_path):
    clip, _ = looked(make, runtime, shop, footage.small(tmp_path), speech_lang="fr")
    assert [row for row in rows(runtime, clip) if row.kind == "language"] == []
    with runtime.work() as session:
        kept = session.get_one(Film, clip.film_id)
        kept.facts = {**kept.facts, "heard_lang": "de", "heard_probability": 0.99}
    TASKS[JobKind.SIGNALS](shop, asked(runtime, clip))
    found = [row.facts for row in rows(runtime, clip) if row.kind == "language"]
    assert [(one["heard_lang"], one["declared_lang"]) for one in found] == [("de", "fr")]
