"""The worker of the release before: it knows neither today's jobs nor today's ladder; all else is as it is."""

from portal import jobs, ladder

# Before any other module keeps these figures under a name of its own.
jobs.FORMAT -= 1
ladder.LADDER_VERSION -= 1

from tests.jobs.quick_worker import app  # noqa: E402, F401
