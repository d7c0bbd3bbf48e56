"""The request's one session, opened late and closed at its end; `writing()` for views that change something."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from flask import Flask, current_app, g
from sqlalchemy.orm import Session

from portal.database import unit_of_work
from portal.runtime import Runtime


def runtime() -> Runtime:
    """The machines this site was built on."""
    return cast("Runtime", current_app.extensions["portal"])


def reading() -> Session:
    """The request's session; views that only look use it as it is."""
    if "session" not in g:
        g.session = runtime().sessions()
    return cast("Session", g.session)


@contextmanager
def writing() -> Iterator[Session]:
    """One unit of work on the request's session: everything or nothing, bells rung after."""
    with unit_of_work(reading(), runtime().wake) as session:
        yield session


def init_app(app: Flask) -> None:
    """Close the session when the request ends, however it ends."""

    @app.teardown_appcontext
    def close(_error: BaseException | None) -> None:
        session: Session | None = g.pop("session", None)
        if session is not None:
            session.close()
