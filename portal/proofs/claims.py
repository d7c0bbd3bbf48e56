"""What a check is given and gives back."""

from collections.abc import Callable
from dataclasses import dataclass

from config import ProofSettings


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says to own a product: the number typed, and the address it was typed under."""

    number: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim that holds: by which check, and what staff may read of it; never the whole number."""

    method: str
    reference: str


@dataclass(frozen=True, slots=True)
class Check:
    """One way to check a claim; `find` answers None where it does not hold, and raises Unavailable when it cannot tell."""

    name: str
    is_on: Callable[[ProofSettings], bool]
    find: Callable[[Claim, ProofSettings], Proof | None]
