"""Every film of the corpus before the inspector, and a great many damaged ones: refused with its own reason, or let in."""

import os

import pytest

from media_jobs import intake
from media_jobs.octets import Budget
from media_jobs.outline import Limits
from portal import film_faults, reasons
from portal.errors import Code, Unacceptable
from portal.i18n import language
from tests.hostile.corpus import ALL, LET_IN, REFUSED_AT_THE_DOOR
from tests.hostile.mutants import mutant

# `make torture` asks for a hundred thousand.
MUTANTS = int(os.environ.get("HOSTILE_MUTANTS", "20000"))
ROUND = 5000


def refusal(data, limits=None):
    with pytest.raises(Unacceptable) as caught:
        intake.judge(data, limits or Limits())
    return caught.value


def test_the_corpus_is_large_and_names_each_film_once():
    assert len(ALL) >= 120
    assert len({one.name for one in ALL}) == len(ALL)
    assert len({one.what for one in ALL}) == len(ALL)


@pytest.mark.parametrize("one", REFUSED_AT_THE_DOOR, ids=str)
def test_a_hostile_film_is_refused_with_its_own_code_and_reason(clay, one):
    caught = refusal(one.write(clay))
    assert (caught.code, caught.facts["reason"]) == (one.code, one.reason)


@pytest.mark.parametrize("one", LET_IN, ids=str)
def test_an_odd_film_is_let_in(clay, one, tmp_path):
    path = tmp_path / one.name_on_disk
    path.write_bytes(one.write(clay))
    outline = intake.look(path, Limits())
    assert outline.pictures
    assert outline.present_bytes == path.stat().st_size


def test_every_refusal_of_the_corpus_has_a_sentence_with_a_way_out_in_every_language(clay):
    said = {}
    for one in REFUSED_AT_THE_DOOR:
        caught = refusal(one.write(clay))
        for spoken in ("fr", "en", "de"):
            with language(spoken):
                sentence = reasons.sentence(caught.code, **film_faults.kept(caught.facts))
            assert sentence.count(".") >= 2 or ":" in sentence
            assert "%(" not in sentence
            said.setdefault(spoken, set()).add(sentence)
    assert len(said["fr"]) >= 30


def test_the_sentence_about_a_large_picture_names_its_size_and_ours(clay):
    film = next(one for one in ALL if one.name == "b29")
    caught = refusal(film.write(clay))
    assert (caught.facts["width"], caught.facts["height"]) == (16384, 8192)
    with language("fr"):
        sentence = reasons.sentence(caught.code, **film_faults.kept(caught.facts))
    assert all(figure in sentence for figure in ("16384", "8192", "4096", "2304"))


def test_the_limit_for_an_upright_picture_is_told_upright(clay):
    caught = refusal(next(one for one in ALL if one.name == "b28").write(clay))
    assert (caught.facts["width"], caught.facts["height"]) == (2400, 4096)
    assert (caught.facts["max_width"], caught.facts["max_height"]) == (2304, 4096)


def test_what_is_kept_of_a_refusal_is_short_and_plain():
    kept = film_faults.kept({"reason": "x" * 900, "log": "secret", "seconds": 2.5, "codec": None, "width": 7})
    assert kept == {"reason": "x" * 40, "seconds": 2.5, "width": 7}


def test_half_a_film_says_how_much_of_it_is_missing(clay):
    whole = clay["plain.mp4"]
    outline = intake.judge(whole[:-4000], Limits())
    assert (outline.missing_bytes, outline.seconds) == (4000, pytest.approx(0.5, abs=0.05))


def test_a_film_as_long_as_the_limit_is_let_in_and_one_a_little_longer_is_not(clay):
    assert intake.judge(clay["plain.mp4"], Limits(max_seconds=0.5)).seconds == pytest.approx(0.5)
    longer = next(one for one in ALL if one.name == "b10").write(clay)
    assert refusal(longer, Limits(max_seconds=400)).code is Code.TOO_LONG
    assert intake.judge(longer, Limits(max_seconds=600)).pictures


class Crumbling(bytes):
    """Bytes that can no longer be read once the first of them were."""

    def __getitem__(self, place):
        if isinstance(place, slice) and place.start is None:
            return bytes(self)[place]
        raise RuntimeError(place)


def test_whatever_breaks_inside_the_inspector_is_a_refusal(clay):
    caught = refusal(Crumbling(clay["plain.mp4"]))
    assert (caught.code, caught.facts) == (
        Code.BROKEN_FILM,
        {"reason": "malformed", "where": "RuntimeError"},
    )


def judged(data):
    """What becomes of these bytes, None when they are let in; and how many steps that took."""
    budget = Budget(Limits().most_steps)
    try:
        intake.judge(data, Limits(), budget)
    except Unacceptable as refused:
        return refused, budget.spent
    return None, budget.spent


@pytest.mark.parametrize("begin", range(0, MUTANTS, ROUND))
def test_no_damage_brings_the_inspector_to_fall_or_makes_it_work_long(clay, begin):
    seeds = list(clay.films.values())
    for number in range(begin, min(begin + ROUND, MUTANTS)):
        data = mutant(seeds, number)
        refused, steps = judged(data)
        if refused is not None:
            # The door turns whatever happens into a refusal; nothing should have needed that.
            assert refused.__cause__ is None, f"mutant {number}: {refused.__cause__!r}"
            assert refused.facts["reason"], f"mutant {number}"
            assert not refused.code.is_ours, f"mutant {number}"
        # Structure, not a clock, says how much work it was: no more than there are bytes, and mostly a hundredth.
        assert steps <= len(data) + 100, f"mutant {number}"
