"""Every sentence of the product has its words in every language, with the same places to fill."""

import re

import pytest

from ops.translations import catalogue, extracted
from portal import i18n

LANGUAGES = ("de", "en", "fr")


def as_tuple(words):
    return tuple(words) if isinstance(words, list | tuple) else (words,)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_sentence_is_without_words(code):
    known = catalogue(code)
    missing = []
    for message in extracted():
        if message.id:
            found = known.get(as_tuple(message.id)[0])
            if found is None or not all(as_tuple(found.string)):
                missing.append(message.id)
    assert missing == [], "run `make translations` and fill these"


@pytest.mark.parametrize("code", LANGUAGES)
def test_places_to_fill_are_the_same_in_every_language(code):
    for message in catalogue(code):
        places = set(re.findall(r"%\((\w+)\)", " ".join(as_tuple(message.id))))
        for words in as_tuple(message.string):
            assert set(re.findall(r"%\((\w+)\)", words)) <= places, message.id


@pytest.mark.parametrize(("code", "expected"), [("fr", "singular"), ("en", "plural"), ("de", "plural")])
def test_none_is_counted_as_each_language_does(code, expected):
    with i18n.language(code):
        none, one, two = (i18n.ngettext("%(num)s clip", "%(num)s clips", n) for n in (0, 1, 2))
    assert (none.replace("0", "") == one.replace("1", "")) is (expected == "singular")
    assert two.replace("2", "") != one.replace("1", "")
