"""Captions by machine: words come back with their times from a real model, and reach the clip; nothing else does."""

import hashlib
import itertools
import socket
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from media_jobs import cueing, probe, speaking, speech
from media_jobs.outline import Limits
from media_jobs.tasks import TASKS
from portal import captions, lifecycle, workers
from portal.edits import EditList
from portal.errors import Code, Unavailable
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Film, Job, JobState, State
from portal.storage import Bucket
from portal.webvtt import Cue
from tests import footage, voice
from tests.conftest import with_settings
from tests.jobs.stage import arrived, ask, open_job, row, shop_of

WORDS = "The winter was very cold. I charged the car every night at home, and it never let me down."
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i>\n\n2\n00:00:03,000 --> 00:00:03,500\n<font color=red>Bye</font>\n"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return voice.film(tmp_path_factory.mktemp("spoken"), WORDS)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    return voice.captioned(tmp_path_factory.mktemp("captioned"), SRT)


@pytest.fixture(scope="module")
def raw(spoken, tmp_path_factory):
    """The film's sound as the job hands it to the model."""
    facts = probe.inspect(footage.tools(), spoken, Limits())
    folder = tmp_path_factory.mktemp("raw")
    return speech.sound_of(footage.tools(), spoken, facts, folder, lambda: False)


@pytest.fixture
def shop(runtime):
    return shop_of(with_settings(runtime, speech=voice.settings()))


@pytest.fixture
def deaf(runtime):
    """A worker without a model."""
    return shop_of(runtime)


@pytest.fixture
def clip_of(make, runtime):
    """A clip in review with this film in the storage, as after its first cut was made."""

    def give(path, lang="en"):
        clip = make.clip(State.IN_REVIEW, speech_lang=lang)
        with runtime.work() as session:
            film = session.get_one(Film, clip.film_id)
            film.facts = probe.inspect(footage.tools(), path, Limits()).as_json()
            film.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            runtime.storage.put(Bucket.ORIGINALS, film.key, path, content_type="video/mp4")
        return clip

    return give


def work(shop, clip):
    with shop.runtime.work() as session:
        job = lifecycle.enqueue(
            session, session.get_one(Clip, clip.id), JobKind.CAPTIONS, film_id=clip.film_id
        )
    TASKS[JobKind.CAPTIONS](shop, job.id)
    return row(shop.runtime, Job, job.id)


def captions_of(runtime, clip):
    with runtime.read() as session:
        return captions.of(session, session.get_one(Clip, clip.id))


# The model -------------------------------------------------------------------------------------------


def test_words_come_back_with_the_times_at_which_they_are_said(raw):
    told = []
    heard = speech.listen(voice.settings(), raw, "en", told.append)
    said = [word.strip(" .,").lower() for _start, _end, word in heard.words]
    assert {"winter", "charged", "night", "home"} <= set(said)
    begins = dict(zip(said, [start for start, _end, _word in heard.words], strict=True))
    assert 1.0 <= begins["winter"] <= 2.5
    assert begins["winter"] < begins["charged"] < begins["night"] < begins["home"] < 8.5
    assert all(end >= start >= 0 for start, end, _word in heard.words)
    assert told == sorted(told)


def test_the_model_opens_no_film_and_asks_no_network(raw, monkeypatch):
    def forbidden(*_args, **_options):
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr("av.open", forbidden)
    assert speech.listen(voice.settings(), raw, "en", lambda _at: None).words


def test_a_model_of_another_language_writes_nothing(raw):
    heard = speech.listen(voice.settings(), raw, "fr", lambda _at: None)
    assert (heard.lang, heard.words) == (None, [])


def test_where_nobody_speaks_nothing_is_written(tmp_path):
    quiet = tmp_path / "quiet.raw"
    quiet.write_bytes(bytes(2 * speech.RATE * 3))
    assert speech.listen(voice.settings(), quiet, "en", lambda _at: None) == speech.Heard()


def test_a_worker_knows_without_loading_it_whether_its_model_can_be_used(tmp_path):
    assert speech.hearing(voice.settings(model="")) == workers.OFF
    assert speech.hearing(voice.settings()) == workers.READY
    assert "lacks model.bin, tokenizer.json, config.json" in speech.hearing(
        voice.settings(model=str(tmp_path))
    )
    assert "cannot be found" in speech.hearing(voice.settings(model="no-such-model"))


def test_a_model_that_is_not_there_is_our_fault(raw, tmp_path):
    for model in (str(tmp_path), "no-such-model"):
        with pytest.raises(Unavailable) as refused:
            speech.listen(voice.settings(model=model), raw, "en", lambda _at: None)
        assert refused.value.code == Code.OURS_SPEECH


KNOWS = SimpleNamespace(supported_languages=["en", "fr", "de"])


@pytest.mark.parametrize(
    ("declared", "heard", "probability", "written"),
    [
        ("fr", "fr", 0.99, "fr"),
        ("fr", "de", 0.5, "fr"),
        ("fr", "de", 0.95, "de"),
        (None, "de", 0.4, "de"),
        ("ja", "de", 0.4, None),
        ("fr", None, 0.0, "fr"),
        (None, None, 0.0, None),
    ],
)
def test_the_declared_language_counts_unless_another_is_heard_for_sure(declared, heard, probability, written):
    assert speech._Ear(KNOWS, None).choice(declared, heard, probability) == written


# The job ---------------------------------------------------------------------------------------------


def test_what_is_said_in_a_film_reaches_its_clip(shop, runtime, clip_of, spoken):
    clip = clip_of(spoken)
    assert work(shop, clip).state == JobState.DONE
    (found,) = captions_of(runtime, clip)
    assert (found.lang, found.origin, found.checked_at) == ("en", "speech", None)
    cues = captions.cues_of(found)
    assert 0.95 <= cues[0].start <= 1.3
    assert cues[-1].end <= 9.0
    assert "winter" in cues[0].text
    assert {"winter", "charged", "home"} <= set(found.text.split())
    assert not list((shop.runtime.settings.media.scratch).iterdir())


def test_captions_inside_a_film_are_kept_unchecked_and_without_foreign_markup(
    deaf, runtime, clip_of, captioned
):
    clip = clip_of(captioned, lang="fr")
    assert work(deaf, clip).state == JobState.DONE
    (found,) = captions_of(runtime, clip)
    assert (found.lang, found.origin, found.checked_at, found.touched_at) == ("en", "embedded", None, None)
    first, second = captions.cues_of(found)
    assert (first.text, second.text) == ("Hello <i>there</i>", "Bye")
    assert (first.start, second.start) == (pytest.approx(1.0, abs=0.11), pytest.approx(3.0, abs=0.11))


def test_the_words_of_other_bytes_than_those_that_were_made_are_nobodys(
    deaf, runtime, clip_of, captioned, spoken
):
    clip = clip_of(spoken)
    with runtime.read() as session:
        key = session.get_one(Film, clip.film_id).key
    runtime.storage.put(Bucket.ORIGINALS, key, captioned, content_type="video/mp4")
    assert work(deaf, clip).error_code == Code.OURS_STORAGE
    assert captions_of(runtime, clip) == []


def test_captions_follow_by_themselves_when_a_film_that_carries_some_is_made(make, deaf, runtime, captioned):
    clip = arrived(make, runtime, captioned)
    TASKS[JobKind.TRANSCODE](deaf, ask(runtime, clip, JobKind.TRANSCODE))
    TASKS[JobKind.CAPTIONS](deaf, open_job(runtime, clip, JobKind.CAPTIONS))
    (found,) = captions_of(runtime, clip)
    assert (found.lang, found.text) == ("en", "hello there bye")


def test_where_a_drone_was_is_written_nowhere(make, deaf, runtime, tmp_path):
    flight = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n[iso : 100] [latitude: 48.8577] [longitude: 2.2950] [rel_alt: 1.5]\n\n"
        for n in range(1, 5)
    )
    clip = arrived(make, runtime, voice.captioned(tmp_path, flight))
    TASKS[JobKind.TRANSCODE](deaf, ask(runtime, clip, JobKind.TRANSCODE))
    TASKS[JobKind.CAPTIONS](deaf, open_job(runtime, clip, JobKind.CAPTIONS))
    assert captions_of(runtime, clip) == []
    with runtime.read() as session:
        kept = [
            session.get_one(Clip, clip.id).search_text,
            *(str(one.facts) for one in session.scalars(select(Film))),
        ]
    assert not [words for words in kept if "48.85" in words]


def test_what_an_owner_cut_off_before_sending_is_written_nowhere(deaf, runtime, clip_of, captioned):
    clip = clip_of(captioned)
    with runtime.work() as session:
        session.get_one(Film, clip.film_id).edits = EditList(start=2.8).as_json()
    assert work(deaf, clip).state == JobState.DONE
    (found,) = captions_of(runtime, clip)
    assert [cue.text for cue in captions.cues_of(found)] == ["Bye"]


def test_a_word_belongs_to_what_was_sent_when_hardly_any_of_it_was_cut_off():
    said = speaking._Said(EditList(start=2.0, end=8.0), 10.0, [], None)
    times = [(1.0, 1.5), (1.98, 2.5), (1.5, 2.5), (4.0, 4.0), (7.5, 8.02), (8.0, 8.0), (9.0, 12.0)]
    assert [said.is_sent(*each) for each in times] == [False, True, False, True, True, False, False]


def test_a_second_hearing_leaves_alone_what_a_person_wrote(shop, runtime, clip_of, spoken, moderator):
    clip = clip_of(spoken)
    with runtime.work() as session:
        row_ = session.get_one(Clip, clip.id)
        by = Actor(ActorKind.MODERATOR, moderator.id)
        captions.replace(session, row_, "en", "00:01.000 --> 00:02.000\nMine", by=by, seen_version=0)
    assert work(shop, clip).state == JobState.DONE
    (found,) = captions_of(runtime, clip)
    assert found.cues == [[1.0, 2.0, "Mine"]]


def test_a_worker_that_must_stop_gives_the_job_back_uncounted(runtime, clip_of, spoken):
    asked = itertools.count()
    shop = shop_of(with_settings(runtime, speech=voice.settings()), is_stopping=lambda: next(asked) > 0)
    job = work(shop, clip_of(spoken))
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


def test_a_missing_model_fails_the_job_and_not_the_clip(runtime, clip_of, spoken, tmp_path):
    shop = shop_of(with_settings(runtime, speech=voice.settings(model=str(tmp_path))))
    clip = clip_of(spoken)
    job = work(shop, clip)
    assert (job.error_code, row(runtime, Clip, clip.id).state) == (Code.OURS_SPEECH, State.IN_REVIEW)


def test_captions_are_asked_for_where_somebody_can_make_some(shop, deaf):
    with_captions = {"captions": [{"index": 2, "codec": "mov_text", "language": "eng"}]}
    assert JobKind.CAPTIONS in speaking.jobs_after(shop, {})
    assert JobKind.CAPTIONS in speaking.jobs_after(deaf, with_captions)
    assert JobKind.CAPTIONS not in speaking.jobs_after(deaf, {"captions": []})


def test_another_language_than_declared_is_noted_and_looked_at(runtime, clip_of, captioned):
    clip = clip_of(captioned, lang="fr")
    with runtime.work() as session:
        film = session.get_one(Film, clip.film_id)
        assert not captions.heard(session, film, "fr", 0.99)
        assert not captions.heard(session, film, "de", 0.5)
        assert captions.heard(session, film, "de", 0.97)
    facts = row(runtime, Film, clip.film_id).facts
    assert (facts["heard_lang"], facts["container"]) == ("de", "mov")


# Words to captions -----------------------------------------------------------------------------------


def spelled(text, *, pace=0.3, start=0.0):
    return [
        (start + pace * n, start + pace * n + pace - 0.05, f" {word}") for n, word in enumerate(text.split())
    ]


def test_captions_end_with_the_thought_or_the_breath():
    words = [*spelled("On part à l’aube, sans bruit. Tout va bien"), *spelled("enfin presque", start=5.0)]
    assert [cue.plain for cue in cueing.cues(words, 10.0)] == [
        "On part à l’aube, sans bruit.",
        "Tout va bien",
        "enfin presque",
    ]


def test_a_long_breath_of_words_becomes_even_lines_that_fit():
    cues = cueing.cues(spelled("mot " * 60, pace=0.2), 20.0)
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert max(len(line) for line in lines) <= cueing.LINE
    assert all(cue.end - cue.start <= cueing.LONGEST for cue in cues)
    assert all(one.end <= other.start for one, other in itertools.pairwise(cues))


def test_a_single_word_stays_long_enough_to_be_read():
    assert cueing.cues([(1.0, 1.2, " Oui.")], 10.0) == [Cue(1.0, 2.2, "Oui.")]
    assert cueing.cues([(9.5, 9.9, " Oui.")], 10.0) == [Cue(9.5, 10.0, "Oui.")]


def test_signs_that_mean_something_to_players_are_written_as_words():
    assert cueing.cues([(0.0, 1.0, " a<b"), (1.0, 2.0, " --> R&D")], 3.0)[0].text == "a&lt;b --&gt; R&amp;D"
