"""Signals on the record: kept, replaced, counted, put into words, and never speaking of who took a film back."""

import random
import secrets
from array import array
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from portal import fingerprints, i18n, leases, lifecycle, signals, withdrawal
from portal.database import db_now
from portal.edits import EditList, Passage
from portal.fingerprints import Print
from portal.jobs import JobKind
from portal.models import Caption, Clip, Cut, Film, Fingerprint, FingerprintKey, Signal, State
from portal.signals import Finding, Looked
from portal.typography import french

SAYS = "L’image est noire de %(at)s à %(until)s."


def film_like(seed, seconds=20):
    """A fingerprint that changes as a film's does."""
    chance = random.Random(seed)

    def walk(count, bits):
        value, found = chance.getrandbits(bits), []
        for _ in range(count):
            for _ in range(3):
                value ^= 1 << chance.randrange(bits)
            found.append(value)
        return found

    return Print(array("Q", walk(seconds * 4, 64)), array("I", walk(round(seconds * 8.08), 32)))


def again(one, seed=1, *, trimmed=5):
    """The same film encoded again: some bits are others, the first second is gone."""
    chance = random.Random(seed)

    def other(value, bits, share):
        return value ^ sum(1 << bit for bit in range(bits) if chance.random() < share)

    pictures = [other(value, 64, 0.1) for value in one.pictures[trimmed:]]
    return Print(array("Q", pictures), array("I", [other(v, 32, 0.05) for v in one.words[trimmed * 2 :]]))


def claimed(runtime, clip):
    with runtime.work() as session:
        job = lifecycle.enqueue(
            session, session.get_one(Clip, clip.id), JobKind.SIGNALS, film_id=clip.film_id
        )
        return leases.claim(session, job.id)


def printed(runtime, clip, found):
    claim = claimed(runtime, clip)
    with runtime.work() as session:
        assert signals.keep_print(session, claim, found, 20.0)
        session.get_one(Film, clip.film_id).sha256 = secrets.token_hex(32)
        leases.done(session, claim)
    return clip


def put_into(runtime, state, clip):
    with runtime.work() as session:
        session.execute(update(Clip).where(Clip.id == clip.id).values(state=state))
    return clip


def seen(*findings, kind="black", **more):
    return Looked(kind, "Passages noirs", "Aucun passage noir.", list(findings), **more)


def kept(runtime, clip, *looked, voice=()):
    claim = claimed(runtime, clip)
    with runtime.work() as session:
        assert signals.keep(session, claim, looked, voice)


def look(runtime, clip):
    with runtime.read() as session:
        found = session.get_one(Clip, clip.id)
        film = session.get(Film, found.film_id)
        return signals.of(session, found, film, session.get(Cut, found.cut_id))


def similar(runtime, clip):
    with runtime.read() as session:
        return signals.similar(session, session.get_one(Film, clip.film_id))


def test_a_second_look_replaces_the_first(make, runtime):
    clip = make.clip()
    kept(runtime, clip, seen(Finding(SAYS, 1.0, 2.0), Finding(SAYS, 4.0, 6.0)))
    kept(runtime, clip, seen(Finding(SAYS, 4.0, 6.0)))
    assert [(one.at, one.until, one.sentence) for one in look(runtime, clip).shown] == [
        (4.0, 6.0, "L’image est noire de 0:04 à 0:06.")
    ]


def test_what_could_not_be_measured_keeps_what_it_said_and_is_named(make, runtime):
    clip = make.clip()
    kept(runtime, clip, seen(Finding(SAYS, 1.0, 2.0)))
    failed = Looked("black", "Passages noirs", "", None, is_failed=True)
    kept(runtime, clip, failed, Looked("frozen", "", "Elle bouge.", []))
    found = look(runtime, clip)
    assert len(found.shown) == 1
    assert (found.failed, found.good) == (("Passages noirs",), ("Elle bouge.",))


def test_whoever_lost_the_lease_changes_nothing(make, runtime):
    clip = make.clip()
    claim = claimed(runtime, clip)
    with runtime.work() as session:
        leases.release(session, claim)
    with runtime.work() as session:
        assert not signals.keep(session, claim, [seen(Finding(SAYS, 1.0, 2.0))])
        assert not signals.keep_print(session, claim, film_like(1), 20.0)
    assert look(runtime, clip).state == "waiting"


def test_times_are_those_of_the_cut_that_is_shown(make, runtime):
    clip = make.clip()
    kept(runtime, clip, seen(Finding(SAYS, 1.0, 2.0), Finding(SAYS, 8.0, 9.0)), voice=range(200))
    edits = EditList(start=3.0, cuts=(Passage(4.0, 6.0),))
    with runtime.work() as session:
        session.execute(update(Cut).where(Cut.id == clip.cut_id).values(edits=edits.as_json()))
    found = look(runtime, clip)
    assert [(one.at, one.until) for one in found.shown] == [(3.0, 4.0)]
    assert found.shown[0].sentence == "L’image est noire de 0:03 à 0:04."
    assert (round(found.voice[0], 1), len(found.voice)) == (0.5, 200)


def test_a_sentence_is_told_in_the_readers_language_and_never_breaks_the_page():
    with i18n.language("fr"):
        assert signals.sentence("loud", "À %(lufs)s.", None, None, {"lufs": -23.44}) == "À −23,4."
        assert signals.sentence("lang", "%(heard_lang)s", None, None, {"heard_lang": "de"}) == "Deutsch"
        assert signals.sentence("odd", "%(nothing)s %(at)s", None, None, {}) == french(
            "Un point à regarder : odd."
        )
        assert signals.sentence("odd", "", None, None, {}) == french("Un point à regarder : odd.")


def test_words_that_were_recognised_outweigh_a_silent_measure(make, runtime):
    clip = make.clip()
    kept(runtime, clip, seen(Finding("Personne ne semble parler."), kind=signals.NO_SPEECH))
    assert len(look(runtime, clip).shown) == 1
    with runtime.work() as session:
        now = db_now(session)
        words = {"lang": "fr", "origin": "speech", "cues": [[0, 1, "Oui"]], "words": [], "text": "oui"}
        session.add(
            Caption(clip_id=clip.id, film_id=clip.film_id, created_at=now, changed_at=now, version=1, **words)
        )
    assert look(runtime, clip).shown == ()


def test_the_same_film_encoded_again_is_found_among_others(make, runtime):
    first = printed(runtime, make.clip(), film_like(1))
    for seed in range(2, 12):
        printed(runtime, make.clip(), film_like(seed))
    second = printed(runtime, make.clip(), again(film_like(1)))
    assert [(one.clip_id, one.what) for one in similar(runtime, second)] == [(first.id, "film")]
    assert similar(runtime, second)[0].other_at == pytest.approx(1.24, abs=0.26)


def test_the_same_file_is_found_even_without_a_fingerprint(make, runtime):
    first, second = make.clip(), make.clip()
    with runtime.work() as session:
        session.execute(update(Film).values(sha256=secrets.token_hex(32)))
    assert [(one.clip_id, one.what) for one in similar(runtime, second)] == [(first.id, "file")]


@pytest.mark.parametrize("state", signals.UNNAMED)
def test_a_clip_that_was_taken_back_is_neither_found_nor_named_nor_counted(make, runtime, state):
    gone = put_into(runtime, state, printed(runtime, make.clip(), film_like(1)))
    clip = printed(runtime, make.clip(), again(film_like(1)))
    assert similar(runtime, clip) == []
    kept(runtime, clip, seen(Finding("Déjà vu.", facts={"clip": gone.id}), kind="duplicate"))
    assert look(runtime, clip).shown == ()
    with runtime.read() as session:
        assert signals.counts(session, [session.get_one(Clip, clip.id)]) == {}


SAME = Finding(
    "Le même film qu’un autre clip, à partir de %(at)s.", 2.0, 12.0,
    {"clip": "", "what": "film", "other_at": 3.2, "shared_seconds": 10.0},
)  # fmt: skip
NONE_LIKE_IT = Looked("duplicate", "Doublons", "Aucun autre clip ne lui ressemble.", [])


def duplicate_of(*others):
    found = [replace(SAME, facts={**SAME.facts, "clip": other.id}) for other in others]
    return replace(NONE_LIKE_IT, findings=found)


def looked_at(runtime, clip, *looked):
    """As the worker does: the others are told first, then the clip's own findings are kept."""
    claim = claimed(runtime, clip)
    with runtime.work() as session:
        assert signals.tell_others(session, claim, looked)
    with runtime.work() as session:
        assert signals.keep(session, claim, looked)


def duplicates(runtime, clip):
    return [(one.other.id, one.at, one.until, one.other.at) for one in look(runtime, clip).shown]


def test_a_duplicate_is_told_on_the_earlier_clip_too_once_however_often_it_is_seen(make, runtime):
    first, second = make.clip(), make.clip()
    looked_at(runtime, first, NONE_LIKE_IT)
    assert look(runtime, first).good == ("Aucun autre clip ne lui ressemble.",)
    for _twice in range(2):
        looked_at(runtime, second, duplicate_of(first))
        assert duplicates(runtime, first) == [(second.id, 3.2, 13.2, 2.0)]
        assert duplicates(runtime, second) == [(first.id, 2.0, 12.0, 3.2)]
    assert look(runtime, first).good == ()
    assert "à partir de 0:03" in look(runtime, first).shown[0].sentence
    with runtime.read() as session:
        assert signals.counts(session, [session.get_one(Clip, first.id)]) == {first.id: 1}


def test_both_clips_looked_at_anew_still_name_each_other_once(make, runtime):
    first, second = make.clip(), make.clip()
    looked_at(runtime, second, duplicate_of(first))
    # Looked at before the second had left its fingerprint, kept after it.
    looked_at(runtime, first, NONE_LIKE_IT)
    assert [one[0] for one in duplicates(runtime, first)] == [second.id]
    looked_at(runtime, first, duplicate_of(second))
    looked_at(runtime, second, duplicate_of(first))
    assert [one[0] for one in duplicates(runtime, first)] == [second.id]
    assert [one[0] for one in duplicates(runtime, second)] == [first.id]


def test_what_is_no_longer_alike_is_no_longer_told_on_the_other(make, runtime):
    first, second = make.clip(), make.clip()
    looked_at(runtime, second, duplicate_of(first))
    looked_at(runtime, second, NONE_LIKE_IT)
    assert (duplicates(runtime, first), duplicates(runtime, second)) == ([], [])


@pytest.mark.parametrize("state", [State.REJECTED, State.REMOVED, State.WITHDRAWN, State.DRAFT])
def test_nothing_is_told_on_a_clip_that_nobody_can_act_on(make, runtime, state):
    first, second = make.clip(), make.clip()
    put_into(runtime, state, first)
    looked_at(runtime, second, duplicate_of(first))
    with runtime.read() as session:
        assert not session.scalars(select(Signal).where(Signal.clip_id == first.id)).all()


def test_a_clip_that_a_hundred_copy_lists_a_few(make, runtime):
    first = make.clip()
    for _copy in range(signals.NAMED + 2):
        looked_at(runtime, make.clip(), duplicate_of(first))
    assert len(duplicates(runtime, first)) == signals.NAMED


def test_a_clip_is_never_the_duplicate_of_its_own_earlier_film(make, runtime):
    second = make.film(printed(runtime, make.clip(), film_like(1)), sha256="a" * 64)
    with runtime.read() as session:
        assert signals.similar(session, second) == []


def test_forgetting_a_clip_leaves_no_signal_no_fingerprint_and_no_key(make, runtime):
    clip = put_into(runtime, State.WITHDRAWN, printed(runtime, make.clip(), film_like(1)))
    with runtime.work() as session:
        session.add(
            Signal(clip_id=clip.id, film_id=clip.film_id, kind="black", facts={}, made_at=db_now(session))
        )
    with runtime.work() as session:
        withdrawal.erased(session, session.get_one(Clip, clip.id), by=lifecycle.WORKER)
    with runtime.read() as session:
        for table in (Signal, Fingerprint, FingerprintKey):
            assert session.scalar(select(func.count()).select_from(table)) == 0


# Fingerprints themselves: no database ----------------------------------------------------------------------


def scene(seed, size=16, blocks=4):
    """A picture of a few patches of light and shade."""
    chance = random.Random(seed)
    patches = [[chance.randrange(20, 236) for _ in range(blocks)] for _ in range(blocks)]
    return bytes(patches[y * blocks // size][x * blocks // size] for y in range(size) for x in range(size))


def test_a_little_noise_changes_few_bits_and_another_picture_half_of_them():
    chance = random.Random(1)
    noisy = bytes(point + chance.randrange(-6, 7) for point in scene(1))
    same, noised, other = fingerprints.hashed(scene(1) + noisy + scene(2))
    assert (same ^ noised).bit_count() <= 12
    assert (same ^ other).bit_count() >= 20


def test_a_flat_picture_says_nothing():
    assert list(fingerprints.hashed(bytes([40] * 256))) == [0]


def test_two_films_that_hardly_move_are_not_the_same_film_for_looking_alike():
    still = Print(array("Q", [film_like(1).pictures[0]] * 80), array("I", [7] * 160))
    like = fingerprints.compare(still, still)
    assert like is not None
    assert like.what == ""


def test_a_film_with_another_sound_has_the_same_picture_and_the_other_way_round():
    one, two = film_like(1), film_like(2)
    picture = fingerprints.compare(one, Print(again(one).pictures, two.words))
    sound = fingerprints.compare(one, Print(two.pictures, again(one).words))
    assert picture is not None
    assert sound is not None
    assert (picture.what, sound.what) == ("picture", "sound")


def test_no_film_has_more_keys_than_can_be_searched_for():
    assert len(film_like(1, seconds=180).keys()) == 2 * fingerprints.KEYS_KEPT
    assert len(film_like(1, seconds=180).keys(fingerprints.KEYS_ASKED)) <= 2 * fingerprints.KEYS_ASKED
    assert all(0 <= key < 1 << 63 for key in film_like(1).keys())  # noqa: SIM118 - no mapping
