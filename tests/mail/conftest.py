"""A postman on loopback, and what he left behind."""

import dataclasses
import smtplib
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

from portal.postman import Listener, Postman
from tests.conftest import with_settings
from tests.letters_in import TRUSTED

INBOX = "films@brand.example"


@pytest.fixture
def read(runtime, make):
    """The portal's machines with a drop box, and one open call."""
    make.campaign()

    def of(**parts):
        mail = dataclasses.replace(runtime.settings.mail, inbox=INBOX, trusts=TRUSTED, **parts)
        return with_settings(runtime, mail=mail)

    return of


@pytest.fixture
def post_office(read):
    """Opens a listener and a line to it: `with post_office("lmtp") as line`."""

    @contextmanager
    def opened(scheme="lmtp", **parts):
        listener = Listener(Postman(read(listen=f"{scheme}://127.0.0.1:0", **parts)))
        listener.start()
        kind = smtplib.LMTP if scheme == "lmtp" else smtplib.SMTP
        line = kind("127.0.0.1", listener.port, local_hostname="mx.test")
        try:
            yield line
        finally:
            line.close()
            listener.stop()

    return opened


@pytest.fixture
def count(runtime):
    def of(table, *conditions):
        with runtime.read() as session:
            return session.scalar(select(func.count()).select_from(table).where(*conditions))

    return of
