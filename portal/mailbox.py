"""A mailbox on somebody's IMAP server that is emptied: what is taken is deleted there, what is refused stays, flagged.

Never reads a mail; erasing a clip must not leave its mail behind, so that nothing that was taken is kept.
"""

import imaplib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import Event
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from imapclient import DELETED, FLAGGED, SEEN, IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError

from portal.errors import Code, Unavailable
from portal.mailer import is_loopback

MAILS_AT_ONCE: Final = 50
"""So many are dealt with before the connection is made anew."""

LOOKS_AT_ONCE: Final = 200
"""So many are fetched for that: most of them may have to wait."""

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0
"""Seconds until a mail that could not be taken now is fetched again: twice as long each time."""

TIMEOUT: Final = SocketTimeout(connect=10, read=60)
UNREAD_TOO_LONG: Final = timedelta(minutes=15)
_HEADER: Final = b"BODY[HEADER]"
_WHOLE: Final = b"BODY[]"


class Taken(Protocol):
    """What became of a mail: to be sent again unless `is_final`; refused, or taken."""

    @property
    def is_final(self) -> bool: ...  # noqa: D102 - the class says it
    @property
    def is_refused(self) -> bool: ...  # noqa: D102 - the class says it


class Take(Protocol):
    """Takes one mail; of one that is too large, its header alone."""

    def __call__(self, raw: bytes, *, is_whole: bool) -> Taken: ...  # noqa: D102 - the class says it


class Mailbox:
    """One folder of one account, by the address `imaps://user:password@host/FOLDER`."""

    def __init__(self, url: str, max_bytes: int) -> None:
        self._parts = urlsplit(url)
        self._max_bytes = max_bytes
        # When each mail that had to wait may be fetched again, and after which pause.
        self._later: dict[int, tuple[float, float]] = {}

    def empty(self, take: Take, *, stop: Event | None = None) -> int:
        """Bring every mail that nobody has flagged, oldest first; how many were dealt with. Raises Unavailable.

        A mail is deleted only after it was taken: whoever dies in between is brought it again. One that cannot be
        taken now lets the others pass, and is fetched again after a growing pause.
        """
        done = 0
        with self._opened() as imap:
            for uid in self._due(imap.search(["UNFLAGGED", "UNDELETED"])):
                if done >= MAILS_AT_ONCE or (stop is not None and stop.is_set()):
                    break
                if self._bring(imap, uid, take):
                    done += 1
                else:
                    self._put_off(uid)
            if done:
                self._expunge(imap)
        return done

    def _due(self, waiting: Iterable[int]) -> list[int]:
        there, now = sorted(waiting), time.monotonic()
        self._later = {uid: self._later[uid] for uid in there if uid in self._later}
        return [uid for uid in there if uid not in self._later or self._later[uid][0] <= now][:LOOKS_AT_ONCE]

    def _put_off(self, uid: int) -> None:
        _until, pause = self._later.get(uid, (0.0, FIRST_PAUSE / 2))
        pause = min(pause * 2, LONGEST_PAUSE)
        self._later[uid] = (time.monotonic() + pause, pause)

    def fault(self) -> str | None:
        """Why this mailbox cannot be emptied, or that nobody does; None when all is well."""
        try:
            with self._opened(read_only=True) as imap:
                waiting = imap.search(["UNFLAGGED", "UNDELETED"])
                if not waiting:
                    return None
                oldest = imap.fetch([min(waiting)], ["INTERNALDATE"])[min(waiting)][b"INTERNALDATE"]
        except Unavailable as error:
            return f"the mailbox cannot be read ({error.facts.get('detail', '')})"
        is_old = isinstance(oldest, datetime) and datetime.now(oldest.tzinfo) - oldest > UNREAD_TOO_LONG
        told = f"{len(waiting)} mails wait, the oldest since {oldest}"
        return f"{told}: is `python -m portal receive-mail` running?" if is_old else None

    def _bring(self, imap: IMAPClient, uid: int, take: Take) -> bool:
        size = imap.fetch([uid], ["RFC822.SIZE"]).get(uid, {}).get(b"RFC822.SIZE", 0)
        is_whole = size <= self._max_bytes
        wanted = _WHOLE if is_whole else _HEADER
        found = imap.fetch([uid], [wanted.replace(b"BODY", b"BODY.PEEK")]).get(uid, {}).get(wanted)
        if found is None:
            return False  # Somebody else emptied it meanwhile.
        answer = take(found, is_whole=is_whole)
        if not answer.is_final:
            return False
        imap.add_flags([uid], [FLAGGED, SEEN] if answer.is_refused else [DELETED], silent=True)
        return True

    def _expunge(self, imap: IMAPClient) -> None:
        gone = imap.search(["DELETED", "UNFLAGGED"])
        if gone and imap.has_capability("UIDPLUS"):
            imap.uid_expunge(gone)
        elif gone:
            imap.expunge()

    @contextmanager
    def _opened(self, *, read_only: bool = False) -> Iterator[IMAPClient]:
        """The folder, selected; every way in which that fails is Unavailable."""
        try:
            with self._connected() as imap:
                imap.select_folder(unquote(self._parts.path.strip("/")) or "INBOX", readonly=read_only)
                yield imap
        except (OSError, IMAPClientError, imaplib.IMAP4.error, ssl.SSLError) as error:
            raise Unavailable(Code.OURS_MAIL, detail=str(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[IMAPClient]:
        host, is_tls = self._parts.hostname or "localhost", self._parts.scheme == "imaps"
        port = self._parts.port or (993 if is_tls else 143)
        imap = IMAPClient(host, port, ssl=is_tls, timeout=TIMEOUT)
        try:
            if not is_tls and imap.has_capability("STARTTLS"):
                imap.starttls(ssl.create_default_context())
            elif not is_tls and not is_loopback(host):
                raise Unavailable(
                    Code.OURS_MAIL, detail="the server offers no TLS: the password is not sent in the clear"
                )
            imap.login(unquote(self._parts.username or ""), unquote(self._parts.password or ""))
            yield imap
        finally:
            _hang_up(imap.logout)


def _hang_up(act: Callable[[], object]) -> None:
    # The work is done: how the line ends is nobody's matter.
    with suppress(OSError, IMAPClientError, imaplib.IMAP4.error):
        act()
