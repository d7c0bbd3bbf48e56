"""One list of hostile and odd films: each a function that writes one out of clay, and what must become of it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """A film and its fate: refused with exactly this code and reason, or (without a code) made into a clip cleanly.

    `where` says who refuses: "intake", or "tools" when only decoding can tell. `marks` may be in no published byte.
    """

    name: str
    what: str
    write: object
    code: object = None
    reason: str | None = None
    where: str = "intake"
    marks: tuple = ()
    name_on_disk: str = "film.mp4"

    def __str__(self):
        return f"{self.name}-{self.what}"


@dataclass
class Clay:
    """What films are made of: honest ones by name, and the address of a listener nobody may ever call."""

    films: dict
    folder: object
    url: str = "http://127.0.0.1:9"
    port: int = 9
    made: dict = field(default_factory=dict)

    def __getitem__(self, name):
        return self.films[name]


CASES = []


def case(name, code=None, reason=None, **more):
    """Enter the function under it as a case; its own name says what is odd about the film."""

    def enter(write):
        CASES.append(Case(name, write.__name__, write, code, reason, **more))
        return write

    return enter


def add(name, what, data, code=None, reason=None, **more):
    """Enter a film whose bytes are already known."""
    CASES.append(Case(name, what, lambda _clay: data, code, reason, **more))
