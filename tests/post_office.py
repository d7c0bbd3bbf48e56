"""A real mail server on loopback that keeps what it gets, for the tests of what leaves the house."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

TRIES = 5


class Letters:
    """Takes every letter, or refuses each."""

    def __init__(self, *, refuses=False, rcpt=""):
        self.taken, self.refuses, self.rcpt, self.passwords = [], refuses, rcpt, []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 -- the library's name
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 known"

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        self.passwords.append(data.password.decode())
        return AuthResult(success=True)

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- the library's name
        if self.refuses:
            return "451 come back later"
        self.taken.append(envelope)
        return "250 taken"


@contextmanager
def opened(letters: Letters, *, auth: bool = False) -> Iterator[str]:
    """The address of a server that hands its letters over to `letters`; with `auth` it asks for a password."""
    asks = {"authenticator": letters.authenticate, "auth_require_tls": False} if auth else {}
    for tried in range(TRIES):
        # The library cannot be asked for any free port: it is chosen just before, and may be somebody's by then.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        office = Controller(letters, hostname="127.0.0.1", port=port, ready_timeout=30, **asks)
        try:
            office.start()
            break
        except OSError:
            if tried == TRIES - 1:
                raise
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        office.stop()
