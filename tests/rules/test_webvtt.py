"""Captions as text: whatever people and programs send becomes our own cues, and valid WebVTT again."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import webvtt
from portal.errors import Code, Unacceptable
from portal.webvtt import Cue, clean, parse, write


def faults(text, **options):
    with pytest.raises(Unacceptable) as refused:
        parse(text, **options)
    return refused.value.fields


def test_webvtt_is_read_with_its_hours_or_without():
    text = "WEBVTT - Galibier\nKind: captions\n\n1\n00:01.000 --> 00:02.500\nBonjour\n\n01:00:00.000 --> 01:00:01.000\nLà\n"
    assert parse(text) == [Cue(1.0, 2.5, "Bonjour"), Cue(3600.0, 3601.0, "Là")]


def test_srt_as_people_have_it_is_read_too():
    text = "\ufeff1\r\n00:00:00,500 --> 00:00:02,000\r\nOn part\r\nà l’aube\r\n\r\n2\r\n0:00:03,0 --> 0:00:04,00\r\nOui\r\n"
    assert parse(text) == [Cue(0.5, 2.0, "On part\nà l’aube"), Cue(3.0, 4.0, "Oui")]


def test_a_forgotten_empty_line_does_not_join_two_cues():
    text = "1\n00:01,000 --> 00:02,000\nUn\n2\n00:02,000 --> 00:03,000\nDeux\n"
    assert [cue.text for cue in parse(text)] == ["Un", "Deux"]


def test_comments_styles_regions_settings_and_names_are_dropped():
    text = (
        "WEBVTT\n\nNOTE nothing\nat all\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:bill\n\n"
        "intro\n00:00.000 --> 00:01.000 line:0 align:start\n<v Nadia>Bonjour <c.big>à</c> <i>tous</i>\n"
    )
    assert parse(text) == [Cue(0.0, 1.0, "Bonjour à <i>tous</i>")]


def test_a_cue_without_a_word_is_left_out():
    text = "00:00.000 --> 00:01.000\n<b> </b>\n\n00:01.000 --> 00:02.000\nOui\n"
    assert [cue.text for cue in parse(text)] == ["Oui"]


def test_a_cue_that_outlasts_the_film_ends_with_it():
    assert parse("00:09.000 --> 00:12.000\nFin", seconds=10.0) == [Cue(9.0, 10.0, "Fin")]


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ("00:05.000 --> 00:04.000", Code.WRONG_TIMES),
        ("00:05.000 --> 00:05.000", Code.WRONG_TIMES),
        ("00:61.000 --> 01:02.000", Code.WRONG_TIMES),
        ("soon --> later", Code.WRONG_TIMES),
        ("-->", Code.WRONG_TIMES),
        ("00:01.000 --> 00:02.000", Code.OUT_OF_ORDER),
        ("00:20.000 --> 00:21.000", Code.BEYOND_THE_FILM),
    ],
)
def test_a_fault_names_its_line_and_its_reason(times, code):
    text = f"WEBVTT\n\n00:03.000 --> 00:04.000\nUn\n\n{times}\nDeux\n"
    assert faults(text, seconds=20.0) == {"line.6": code}


def test_all_faults_are_named_at_once_up_to_twenty():
    text = "\n\n".join(f"00:0{n % 9}.x --> 00:09.000\nUn" for n in range(40))
    assert len(faults(text)) == webvtt.MOST_FAULTS


def test_what_holds_no_captions_is_refused():
    assert faults("") == faults("Bonjour à tous") == {"text": Code.NOT_CAPTIONS}
    assert faults("00:00.000 --> 00:01.000\n") == {"text": Code.REQUIRED}


def test_the_limits_hold():
    assert faults("x" * (webvtt.MOST_BYTES + 1)) == {"text": Code.TOO_LARGE_TEXT}
    assert faults("é" * (webvtt.MOST_BYTES // 2 + 1)) == {"text": Code.TOO_LARGE_TEXT}
    assert faults("00:00.000 --> 00:01.000\n" + "a" * 501) == {"line.1": Code.TOO_LONG_TEXT}
    many = "\n\n".join("00:00.000 --> 00:01.000\na" for _ in range(webvtt.MOST_CUES + 1))
    assert faults(many) == {"text": Code.TOO_MANY}


def test_a_text_that_nobody_can_mend_gives_its_good_cues_in_order():
    text = "00:05.000 --> 00:06.000\nB\n\n00:01.000 --> 00:02.000\nA\n\nnever --> 00:02.000\nC\n"
    assert [cue.text for cue in parse(text, is_lenient=True)] == ["A", "B"]
    assert parse("nothing", is_lenient=True) == []


HOSTILE = {
    "<script>alert(1)</script>": "alert(1)",
    "<img src=x onerror=alert(1)>": "",
    "&lt;script&gt;": "&lt;script&gt;",
    "&amp;lt;b&amp;gt;": "&amp;lt;b&amp;gt;",
    "a --> b": "a --&gt; b",
    "5 < 6 & 7 > 6": "5 &lt; 6 &amp; 7 &gt; 6",
    "nu\x00ll": "null",
    "\u202eabc\u2066d\u2069": "abcd",
    "&#x202e;abc&#0;": "abc\ufffd",
    "<b>un<i>deux</b>trois</i>": "<b>un<i>deux</i></b>trois",
    "<B>gros": "<b>gros</b>",
    "a\n\n\nb\x0bc": "a\nb\nc",
    "<00:01.000>mot": "mot",
    "\ud800x": "x",
    "<i>x\n</i>\n<b>\ny</b>": "<i>x\ny</i>",
    "Ça\u00a0va\u00a0?": "Ça\u00a0va\u00a0?",
    "::cue{}\u2028WEBVTT": "::cue{}\nWEBVTT",
}


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_hostile_words_become_harmless_ones(text):
    assert clean(text) == HOSTILE[text]


@pytest.mark.parametrize(
    "text",
    ["<" * 500_000, "<a" * 250_000, "<" + "a" * 500_000, "&" * 500_000, "-->\n" * 100_000, "\n" * 500_000],
    ids=["brackets", "tags", "name", "entities", "arrows", "lines"],
)
def test_a_text_made_to_be_slow_is_not(text):
    began = time.process_time()
    parse(f"00:00.000 --> 00:01.000\n{text}", is_lenient=True)
    assert time.process_time() - began < 2


CUES = st.lists(
    st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), st.text(max_size=80).map(clean).filter(bool)),
    min_size=1,
    max_size=8,
).map(lambda rows: sorted(Cue(at / 1000, (at + length) / 1000, text) for at, length, text in rows))


@given(CUES)
@settings(max_examples=120, deadline=None)
def test_what_is_written_is_read_back_the_same(cues):
    assert parse(write(cues)) == cues


@given(st.text(alphabet=st.one_of(st.sampled_from("<>&/bi; \n-\x00\u202e"), st.characters()), max_size=60))
@settings(max_examples=200, deadline=None)
def test_cleaning_twice_changes_nothing_more(text):
    once = clean(text)
    assert clean(once) == once
    assert "-->" not in once
    assert not set("\x00\u202e\r") & set(once)


@given(st.text(max_size=400))
@settings(max_examples=120, deadline=None)
def test_nothing_but_a_refusal_leaves_the_reader(text):
    try:
        cues = parse(text)
    except Unacceptable:
        return
    assert parse(write(cues)) == cues


def test_the_words_alone_have_one_line_for_each_cue():
    assert webvtt.plain_text([Cue(0, 1, "<b>A &amp; B</b>\nC"), Cue(1, 2, "D")]) == "A & B C\nD\n"


@given(st.text(alphabet=" \n\t<>&abi/;\u00a0\u200f\u2028é漢", max_size=12) | st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_what_is_taken_for_clean_at_a_look_is_what_cleaning_leaves(text):
    assert not webvtt._is_clean(text) or webvtt._cleaned(text) == text
