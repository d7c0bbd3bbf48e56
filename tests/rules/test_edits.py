"""The arithmetic of edit lists: what stays, where an instant goes, what cannot be asked."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.edits import Blur, EditList, Passage, checked
from portal.errors import Code, Unacceptable

CUT = EditList(2.0, 18.0, (Passage(5.0, 8.0), Passage(10.0, 11.0)))


def test_what_stays_is_in_order_and_touches_nothing_that_was_cut():
    assert CUT.kept(20.0) == (Passage(2.0, 5.0), Passage(8.0, 10.0), Passage(11.0, 18.0))
    assert CUT.length(20.0) == pytest.approx(12.0)


def test_the_empty_list_shows_the_whole_film():
    assert EditList().is_empty
    assert EditList().kept(7.5) == (Passage(0.0, 7.5),)
    assert EditList().cut_time(3.0, 7.5) == 3.0


def test_an_instant_goes_where_the_cut_shows_it_or_nowhere():
    assert CUT.cut_time(2.0, 20.0) == 0.0
    assert CUT.cut_time(9.0, 20.0) == pytest.approx(4.0)
    assert CUT.cut_time(6.0, 20.0) is None
    assert CUT.cut_time(1.0, 20.0) is None
    assert CUT.film_time(4.0, 20.0) == pytest.approx(9.0)


def test_a_caption_across_a_cut_is_shown_in_one_piece():
    assert CUT.shown(Passage(4.0, 9.0), 20.0) == (Passage(2.0, 4.0),)
    assert CUT.shown(Passage(5.5, 7.5), 20.0) == ()


def test_a_list_is_kept_as_plain_values():
    whole = EditList(1.0, None, (Passage(2.0, 3.0),), (Passage(4.0, 5.0),), (Blur(0, 1, 0.1, 0.2, 0.3, 0.4),))
    assert EditList.from_json(whole.as_json()) == whole
    assert EditList().as_json() == {}
    assert EditList.from_json({}) == EditList()


passages = st.tuples(st.floats(0, 29), st.floats(0.05, 4)).map(lambda p: Passage(p[0], min(30, p[0] + p[1])))
lists = st.builds(
    EditList,
    st.none() | st.floats(0, 5),
    st.none() | st.floats(20, 30),
    st.lists(passages, max_size=6).map(tuple),
    st.lists(passages, max_size=3).map(tuple),
)


@given(lists, st.sampled_from([24, 25, 30, 50, 60]))
def test_on_its_frames_a_list_takes_away_all_it_was_to_and_less_than_a_frame_more(edits, rate):
    grid = edits.on_grid(rate, 30.0)
    frame = 1 / rate + 0.002
    for asked in edits.cuts:
        assert any(one.start <= asked.start + 0.003 and asked.end - 0.003 <= one.end for one in grid.cuts)
    assert edits.length(30.0) - (2 * len(edits.cuts) + 2) * frame <= grid.length(30.0) + 1e-6
    assert grid.length(30.0) <= edits.length(30.0) + (2 * len(edits.cuts) + 2) * 0.003
    assert grid.on_grid(rate, 30.0) == grid


@given(lists, st.sampled_from([24, 25, 30, 50, 60]))
def test_frames_kept_and_seconds_kept_are_the_same(edits, rate):
    grid = edits.on_grid(rate, 30.0)
    frames = grid.frames_kept(rate, 30.0)
    assert frames == edits.frames_kept(rate, 30.0)
    assert sum(end - start for start, end in frames) == pytest.approx(grid.length(30.0) * rate, abs=0.1)
    assert all(end > start for start, end in frames)
    assert all(after[0] > before[1] for before, after in itertools.pairwise(frames))


def test_milliseconds_of_a_frame_are_that_frame():
    grid = EditList(cuts=(Passage(1.033, 2.067),)).on_grid(30, 10.0)
    assert [(round(one.start * 30), round(one.end * 30)) for one in grid.cuts] == [(31, 62)]


@pytest.mark.parametrize(
    ("edits", "faults"),
    [
        (EditList(cuts=(Passage(3.0, 2.0),)), {"cuts.0": Code.INVALID}),
        (EditList(cuts=(Passage(0.0, 1.0), Passage(9.0, 30.0))), {"cuts.1": Code.INVALID}),
        (EditList(mutes=(Passage(-1.0, 2.0),)), {"mutes.0": Code.INVALID}),
        (EditList(start=12.0), {"start": Code.INVALID}),
        (EditList(start=4.0, end=3.0), {"end": Code.INVALID}),
        (EditList(cuts=(Passage(0.0, 9.5),)), {"cuts": Code.TOO_SHORT}),
        (EditList(cuts=tuple(Passage(n / 10, n / 10 + 0.01) for n in range(51))), {"cuts": Code.TOO_MANY}),
        (EditList(blurs=(Blur(0, 1, 0.8, 0, 0.3, 0.5),)), {"blurs.0": Code.INVALID}),
        (EditList(blurs=(Blur(0, 1, 0.2, 0.2, 0, 0.5),)), {"blurs.0": Code.INVALID}),
        (EditList(start=float("nan")), {"start": Code.INVALID}),
        (EditList(blurs=(Blur(0, 1, float("nan"), 0, 0.1, 0.1),)), {"blurs.0": Code.INVALID}),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(edits, faults):
    with pytest.raises(Unacceptable) as refused:
        checked(edits, 10.0)
    assert refused.value.fields == faults


def test_passages_that_touch_become_one():
    tidy = checked(EditList(cuts=(Passage(3.0, 5.0), Passage(1.0, 2.0), Passage(2.0, 3.5))), 10.0)
    assert tidy.cuts == (Passage(1.0, 5.0),)


def test_a_film_shorter_than_a_second_may_be_kept_whole():
    assert checked(EditList(mutes=(Passage(0.0, 0.5),)), 0.6).mutes == (Passage(0.0, 0.5),)
