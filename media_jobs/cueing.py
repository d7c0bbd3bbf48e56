"""Words with their times become captions that can be read: two lines at most, ended where a thought or a breath ends."""

from collections.abc import Iterator, Sequence
from typing import Final

from portal.captions import Word
from portal.webvtt import Cue, from_plain

LINE: Final = 42
"""Characters; two such lines are what broadcasters show at once."""

LONGEST: Final = 6.0
SHORTEST: Final = 1.2
_BREATH: Final = 0.7
_LINGERS: Final = 0.3
_ENOUGH: Final = 20
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_PAUSES = (*_ENDS, ",", ";", ":", "–", "、", "，")


def cues(words: Sequence[Word], seconds: float) -> list[Cue]:
    """Captions of these words in a film of this length: in order, none over the next one."""
    groups = list(_groups(words))
    starts = [group[0][0] for group in groups[1:]]
    made = []
    for group, following in zip(groups, [*starts, seconds], strict=True):
        text = from_plain(_broken(_text(group)))
        start, said = group[0][0], group[-1][1]
        end = min(max(said + _LINGERS, start + SHORTEST), max(following, said), seconds)
        if text and end > start:
            made.append(Cue(round(start, 3), round(end, 3), text))
    return made


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and _is_end(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _is_end(group: Sequence[Word], word: Word) -> bool:
    begun, last = group[0], group[-1]
    said = _text(group)
    if word[1] - begun[0] > LONGEST or word[0] - last[1] > _BREATH:
        return True
    if said.endswith(_ENDS) and len(said) >= _ENOUGH:
        return True
    return max(len(line) for line in _broken(_text([*group, word])).split("\n")) > LINE


def _text(group: Sequence[Word]) -> str:
    """The words as they were heard: each brings its own blank where its language has one."""
    return "".join(word for _start, _end, word in group).strip()


def _broken(text: str) -> str:
    """The text on two lines when one is too short for it, as even as its words allow."""
    if len(text) <= LINE:
        return text
    places = [at for at, sign in enumerate(text) if sign == " "]
    if not places:
        return text

    def cost(at: int) -> float:
        uneven = abs(len(text) - 1 - 2 * at)
        return uneven - (8 if text[:at].endswith(_PAUSES) else 0)

    best = min(places, key=cost)
    return f"{text[:best]}\n{text[best + 1 :]}"
