"""Whatever a film is refused for, its owner reads why and what to do, in words of their own language.

The causes are read out of the code that raises them, with the facts that each of them gives: a new one is tried here
without anybody thinking of it.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

from portal import film_faults, reasons
from portal.errors import Code
from portal.i18n import language
from portal.typography import french

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("fr", "en", "de")
# Where films are judged: by name and size, by the inspector, by the tools, by what an owner had cut off.
JUDGES = [
    *sorted((ROOT / "media_jobs").glob("*.py")),
    *(ROOT / "portal" / f"{one}.py" for one in ("uploads", "edits")),
]
CODES = {*film_faults.SENTENCES, Code.TOO_LARGE}
# What stands there only while it runs, by the fact's name; of several, each is tried.
FIGURES = {
    "seconds": [21.5], "promised": [42.0], "limit": [180], "found": [900], "where": ["trak"], "width": [5000],
    "height": [3000], "max_width": [4096], "max_height": [2304], "codec": ["cvid", None], "log": ["…"],
    "reason": ["too many samples", "too many captions"], "rung": ["720"], "missing": [9], "cpu": [99.0],
    "yardstick": [1.0], "detail": ["…"],
}  # fmt: skip
KINDS = {
    Code.NOT_A_VIDEO: [*film_faults._KINDS, "unknown"],
    Code.WRONG_TYPE: [*film_faults._WRAPPINGS, "dirac"],
    Code.UNKNOWN_CODEC: ["picture", "sound"],
}


def code_of(node):
    """The code in `Code.BROKEN_FILM`; None for everything else."""
    is_code = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Code"
    return Code[node.attr] if is_code else None


def values(path, code, name, node):
    """What a fact may be: what is written there, or what stands for it."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.Name) and node.id.isupper() and path.parent.name == "media_jobs":
        return [getattr(importlib.import_module(f"media_jobs.{path.stem}"), node.id)]
    return KINDS[code] if name == "kind" else FIGURES[name]


def raised(path):
    """(code, facts, line) of every refusal of a film that a file can utter."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        code = code_of(call.args[0]) if isinstance(call, ast.Call) and call.args else None
        if code not in CODES:
            continue
        given = {word.arg: word.value for word in call.keywords if word.arg not in (None, "fields")}
        given |= {"reason": call.args[1]} if len(call.args) > 1 else {}
        facts = [{}]
        for name, node in given.items():
            facts = [{**one, name: value} for one in facts for value in values(path, code, name, node)]
        # The kind is the reason, too, where a file is no film.
        yield from ((code, one, f"{path.name}:{call.lineno}") for one in facts)


CAUSES = [cause for path in JUDGES for cause in raised(path)]
# A record of an older release, or a mail, tells the code alone; the owner's page sometimes knows our limit besides.
BARE = [
    (code, facts, "the record") for code in CODES for facts in ({}, {"limit": 180}, {"width": 9, "height": 9})
]


def told(code, facts, lang):
    with language(lang):
        return reasons.sentence(code, **film_faults.kept(facts))


@pytest.mark.parametrize("causes", [CAUSES, BARE], ids=["as it is raised", "without its facts"])
def test_every_cause_has_a_sentence_of_its_own_in_each_language(causes):
    for code, facts, place in causes:
        said = [told(code, facts, lang) for lang in LANGUAGES]
        assert len(set(said)) == len(LANGUAGES), (place, said)
        for sentence in said:
            assert sentence.strip(), place
            assert "%(" not in sentence, (place, sentence)
            # What happened, and what to do about it.
            assert sentence.count(".") >= 2 or ":" in sentence, (place, sentence)


def test_every_code_of_a_film_is_raised_somewhere():
    assert {code for code, _, _ in CAUSES} == CODES


def test_no_sentence_about_films_waits_for_a_cause_that_nothing_raises():
    said = {told(code, facts, "fr") for code, facts, _ in [*CAUSES, *BARE]}
    tree = ast.parse(Path(film_faults.__file__).read_text(encoding="utf-8"))
    written = [
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "_"
    ]
    assert len(written) > 30
    for sentence in written:
        pattern = re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(french(sentence)))
        assert any(re.fullmatch(pattern, one) for one in said), sentence
