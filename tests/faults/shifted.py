"""A worker on a host whose clock is wrong: obeys one order a line, answers with one line.

The clock is wrong for everything in this process that is written in Python, from its first import on.
"""

import datetime as dt
import os
import sys
import time

_REAL, _TIME = dt.datetime, time.time


class _Kind(type(_REAL)):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, _REAL)


class _Shifted(_REAL, metaclass=_Kind):
    by = 0.0

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return _REAL.now(tz) + dt.timedelta(seconds=cls.by)

    @classmethod
    def utcnow(cls) -> dt.datetime:
        return cls.now(dt.UTC).replace(tzinfo=None)


def obey(runtime, order: str) -> str:
    """Do one thing; what came of it."""
    from portal import leases  # noqa: PLC0415 - the portal is imported when the clock is wrong already
    from portal.errors import Away  # noqa: PLC0415
    from portal.jobs import JobKind  # noqa: PLC0415
    from tests.faults import life  # noqa: PLC0415

    verb, *words = order.split()
    if verb == "shift":
        _Shifted.by = float(words[0])
    elif verb == "claim":
        with runtime.work() as session:
            claim = leases.claim(session, words[0], lease_seconds=90.0)
        return "none" if claim is None else claim.token
    elif verb == "overdue":
        with runtime.read() as session:
            return str(sum(bell.subject == words[0] for bell in leases.overdue(session)))
    elif verb == "work":
        life.tasks.TASKS[JobKind(words[0])](life.shop_of(runtime), words[1])
    elif verb == "list":
        try:
            return str(len(list(runtime.storage.keys(life.Bucket.ORIGINALS))))
        except Away as away:
            return f"away {away.facts['detail']}"
    return "done"


def main() -> None:
    """Obey until nobody orders any more."""
    dt.datetime = _Shifted
    time.time = lambda: _TIME() + _Shifted.by
    from tests.faults import life  # noqa: PLC0415

    runtime = life.machines(dict(os.environ))
    for line in sys.stdin:
        sys.stdout.write(obey(runtime, line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
