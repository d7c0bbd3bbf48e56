"""An order or chassis number against a CSV of orders (ORDERS_CSV): columns `number` and, better, `email`.

A chassis number can be read through any windscreen: with an `email` column, the address must be the order's too.
"""

import csv
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from config import ProofSettings
from portal.errors import Code, Unavailable
from portal.proofs.claims import Check, Claim, Proof

NAME: Final = "orders"
_LEAST_CHARACTERS: Final = 5


def find(claim: Claim, settings: ProofSettings) -> Proof | None:
    """The proof when the number stands in the list, under the same address where the list has addresses.

    Raises Unavailable when the list cannot be read.
    """
    number = _plain(claim.number)
    if len(number) < _LEAST_CHARACTERS:
        return None
    path = Path(settings.orders_csv)
    try:
        stat = path.stat()
        address = _orders(path, stat.st_mtime_ns, stat.st_size).get(_hash(number))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unavailable(Code.OURS_DISK, reason="orders", detail=type(error).__name__) from error
    if address is None or (address and address != _hash(claim.email.strip().casefold())):
        return None
    return Proof(NAME, f"…{number[-4:]}")


# Two lists at most: the one before a change, and the one after. Hashes alone are kept in memory.
@lru_cache(maxsize=2)
def _orders(path: Path, _changed: int, _size: int) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        rows = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
        found: dict[str, str] = {}
        for row in rows:
            told = {(name or "").strip().casefold(): (value or "") for name, value in row.items() if name}
            number, email = _plain(told.get("number", "")), told.get("email", "").strip().casefold()
            if number:
                found[_hash(number)] = _hash(email) if email else ""
    return found


def _plain(number: str) -> str:
    return "".join(sign for sign in number.upper() if sign.isalnum())


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


CHECK: Final = Check(NAME, lambda settings: bool(settings.orders_csv), find)
