"""All sections together."""

from tests.hostile import bombs, halves, odd, polyglots, privacy, references, structure
from tests.hostile.cases import CASES

SECTIONS = (references, bombs, structure, odd, privacy, polyglots, halves)
ALL = tuple(sorted(CASES, key=lambda one: one.name))
REFUSED_AT_THE_DOOR = tuple(one for one in ALL if one.code is not None and one.where == "intake")
LET_IN = tuple(one for one in ALL if one not in REFUSED_AT_THE_DOOR)
CLEAN = tuple(one for one in ALL if one.code is None)
