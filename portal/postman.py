"""The door for mails: `receive-mail` listens by LMTP or SMTP, or empties a mailbox; reads, calls the rules, answers.

Says "250" to a mail only when its rows are committed and its film is in the storage: until then the sender's server
keeps it, and sends it again.
"""

import asyncio
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from portal import carrier, dropbox, mail_reading, reasons, uploads
from portal.errors import Code, Conflict, Missing, PortalError, TooMuch, Unacceptable
from portal.i18n import language
from portal.lifecycle import OWNER
from portal.mail_reading import Content, Heading, Verdict
from portal.mailbox import Mailbox
from portal.runtime import Runtime

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Mails that are read and carried at the same time: each takes some ten times its size of memory for a moment."""

LINES: Final = 16
"""Connections that may be sending at the same time; the others are asked to come back."""

POLL_SECONDS: Final = 60
TIDY_SECONDS: Final = 3600
_LONGEST_LINE: Final = 64 * 1024
_OURS: Final = "451 4.3.0 We cannot take mails now; please send it again later"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a mail server is told: `is_final` unless the mail is to be sent again; `is_refused` for a reason."""

    line: str
    is_final: bool = True
    is_refused: bool = False


class Postman:
    """Takes mails, whoever brings them."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.mail = runtime.settings.mail
        self.box = dropbox.Box(self.mail.inbox, runtime.settings.site)

    def knows(self, address: str) -> Answer:
        """Whether mails to this address are taken; raises nothing."""
        return self._answered(lambda: self._known(address))

    def take(self, raw: bytes, address: str, *, is_bounce: bool = False, is_whole: bool = True) -> Answer:
        """Take one mail, all of it or (`is_whole`) only its header when it is too large; raises nothing."""
        return self._answered(lambda: self._taken(raw, address, is_bounce=is_bounce, is_whole=is_whole))

    def take_from_mailbox(self, raw: bytes, *, is_whole: bool) -> Answer:
        """As `take`, of a mail that says itself where it was sent to."""
        return self._answered(lambda: self._taken(raw, "", is_bounce=False, is_whole=is_whole))

    def tidy(self) -> None:
        """Forget which mails came long ago."""
        with self.runtime.work() as session:
            dropbox.tidy(session)

    def _known(self, address: str) -> Answer:
        with self.runtime.read() as session:
            dropbox.must_exist(session, address, box=self.box)
        return Answer("250 2.1.5 OK")

    def _taken(self, raw: bytes, address: str, *, is_bounce: bool, is_whole: bool) -> Answer:
        heading = mail_reading.read_heading(raw, trusts=self.mail.trusts)
        if is_bounce:
            heading = replace(heading, robot="bounce")
        to = address or self._address(heading)
        fate, content = self._opened(heading, raw, to, is_whole=is_whole)
        if fate.outcome is dropbox.Outcome.TAKING:
            fault = self._carried(heading, content, fate)
            with self.runtime.work() as session:
                dropbox.close_mail(session, fate, content, verdict=heading.verdict, fault=fault)
        log.info("mail %s clip=%s code=%s", fate.outcome, fate.clip_id, fate.code)
        if fate.outcome is dropbox.Outcome.REFUSED and fate.code is not None:
            return Answer("250 2.0.0 OK" if fate.is_told else _line(550, fate.code), is_refused=True)
        return Answer("250 2.0.0 OK")

    def _opened(
        self, heading: Heading, raw: bytes, address: str, *, is_whole: bool
    ) -> tuple[dropbox.Fate, Content | None]:
        content = None
        try:
            if is_whole and not heading.robot and heading.verdict is not Verdict.FAILED:
                content = mail_reading.read_content(raw)
        except Unacceptable as error:
            with self.runtime.work() as session:
                return dropbox.refuse(session, heading, error.code, box=self.box), None
        with self.runtime.work() as session:
            return dropbox.open_mail(session, heading, content, address=address, box=self.box), content

    def _carried(self, heading: Heading, content: Content | None, fate: dropbox.Fate) -> Code | None:
        """Bring the mail's film to its clip; why it could not be taken, where trying again would not help."""
        film = content.film if content is not None else None
        if film is None or fate.clip_id is None:
            return None
        if not fate.takes_film:
            return Code.CONFLICT
        key = f"{uploads.BY_MAIL}{heading.key}"
        source = carrier.Source(io.BytesIO(film.data), film.name, len(film.data), film.content_type, key)
        try:
            carrier.carry_source(self.runtime, fate.clip_id, source, by=OWNER)
        except (Unacceptable, TooMuch, Conflict) as error:
            return error.code
        return None

    def _address(self, heading: Heading) -> str:
        ours = (address for address in heading.addresses if dropbox.is_ours(address, box=self.box))
        return next(ours, self.mail.inbox)

    def _answered(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except (Missing, Unacceptable) as error:
            if error.code is Code.MISSING:  # The storage lost what it had: the next try begins anew.
                return Answer(_OURS, is_final=False)
            return Answer(_line(550, error.code), is_refused=True)
        except TooMuch as error:
            return Answer(_line(450, error.code), is_final=False)
        except PortalError as error:
            log.warning("mail not taken: %s %s", error.code, error.facts.get("detail", ""))
        except Exception:
            log.exception("mail not taken")
        return Answer(_OURS, is_final=False)


def run(
    runtime: Runtime, stop: threading.Event, *, once: bool = False, said: Callable[[str], None] = print
) -> None:
    """Take mails until `stop` is set (`once`: empty the mailbox once); raises OSError when the port is taken."""
    postman = Postman(runtime)
    mailbox = Mailbox(postman.mail.imap_url, postman.mail.max_bytes) if postman.mail.imap_url else None
    if once:
        if mailbox is not None:
            mailbox.empty(postman.take_from_mailbox)
        return
    with _listening(postman, said):
        waited = float(TIDY_SECONDS)
        while True:
            if waited >= TIDY_SECONDS:
                waited = 0.0
                _try(postman.tidy)
            if mailbox is not None:
                _try(lambda: mailbox.empty(postman.take_from_mailbox, stop=stop))
            if stop.wait(POLL_SECONDS):
                return
            waited += POLL_SECONDS


def _try(act: Callable[[], object]) -> None:
    """What fails now is tried again in a minute."""
    try:
        act()
    except (OSError, PortalError) as error:
        log.warning("mailbox: %s", error)


# Listening ----------------------------------------------------------------------------------------------


@contextmanager
def _listening(postman: Postman, said: Callable[[str], None]) -> Iterator[None]:
    if not postman.mail.listen:
        said(f"mails for {postman.mail.inbox} from the mailbox, every {POLL_SECONDS} s")
        yield
        return
    listener = Listener(postman)
    listener.start()
    said(f"mails for {postman.mail.inbox} at {listener.address}")
    try:
        yield
    finally:
        listener.stop()


class _Lmtp(LMTP):
    line_length_limit = _LONGEST_LINE

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.leave()
        super().connection_lost(error)


class _Smtp(SMTP):
    line_length_limit = _LONGEST_LINE

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.leave()
        super().connection_lost(error)


class Listener:
    """Listens in a thread of its own; mails are taken in others, and the one at hand is finished before it ends."""

    def __init__(self, postman: Postman) -> None:
        self.postman = postman
        parts = urlsplit(postman.mail.listen)
        self.scheme, self.host, self.port = parts.scheme, parts.hostname or "127.0.0.1", parts.port or 0
        self._loop = asyncio.new_event_loop()
        self.hands = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")
        self.places = threading.BoundedSemaphore(LINES)
        self._thread = threading.Thread(target=self._loop.run_forever, name="postman", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Where it listens, as a setting."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def start(self) -> None:
        """Open the port; raises OSError."""
        # In its own thread from the first moment: whoever starts it may have a loop that is at work.
        self._thread.start()
        opening = self._loop.create_server(self._line, self.host, self.port)
        try:
            self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(timeout=30)
        except OSError:
            self._end_loop()
            raise
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port, finish what is at hand, end."""
        asyncio.run_coroutine_threadsafe(self._closed(), self._loop).result(timeout=60)
        self.hands.shutdown(wait=True)
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _closed(self) -> None:
        if self._server is not None:
            self._server.close()
        lines = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in lines:
            task.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    def _line(self) -> SMTP:
        kind = _Lmtp if self.scheme == "lmtp" else _Smtp
        return kind(
            _Talk(self),
            data_size_limit=self.postman.mail.max_bytes,
            enable_SMTPUTF8=True,
            hostname=urlsplit(self.postman.box.site.url).hostname or "localhost",
            ident="mail",
            loop=self._loop,
        )


_FULL = "451 4.3.2 Too many mails at once; please send it again later"


class _Talk:
    """One connection's hooks, as the library names them."""

    def __init__(self, listener: Listener) -> None:
        self.listener, self.postman = listener, listener.postman
        self._has_place = False

    def enter(self) -> bool:
        """Whether this connection has a place for a mail now."""
        self._has_place = self._has_place or self.listener.places.acquire(blocking=False)
        return self._has_place

    def leave(self) -> None:
        """Make place for another connection's mail."""
        if self._has_place:
            self._has_place = False
            self.listener.places.release()

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Let so many send at once as the memory has room for."""
        if not self.enter():
            return _FULL
        envelope.mail_from = address or ""
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RSET(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        """Whoever gives a mail up leaves his place to others, and keeps the line."""
        self.leave()
        return "250 2.0.0 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """One known mailbox at a time: each mail has one answer."""
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient at a time"
        answer = await server.loop.run_in_executor(None, self.postman.knows, address)
        if not answer.is_final or answer.is_refused:
            # No mail can follow, only another recipient, and his finds a place again or comes later.
            self.leave()
            return answer.line
        if not self.enter():
            return _FULL
        envelope.rcpt_tos.append(address)
        return answer.line

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take the mail and say what became of it."""
        raw, address = envelope.original_content or b"", envelope.rcpt_tos[0]
        is_bounce = not (envelope.mail_from or "").strip("<> ")
        envelope.content = envelope.original_content = None
        answer = await server.loop.run_in_executor(
            self.listener.hands, lambda: self.postman.take(raw, address, is_bounce=is_bounce)
        )
        self.leave()
        if self.listener.scheme == "lmtp" and Code.MAIL_SPOOFED in answer.line:
            # Behind LMTP stands a server that has taken the mail already: a refusal would make it write to
            # whoever was forged.
            return "250 2.0.0 OK"
        return answer.line

    async def handle_exception(self, error: Exception) -> str:
        """What nobody has foreseen: the mail stays with its sender."""
        log.error("mail line: %r", error)
        return _OURS


def _line(status: int, code: Code) -> str:
    """An answer in the words of the site, in English and in the signs that mail servers may use."""
    with language("en"):
        said = reasons.sentence(code).replace("’", "'").encode("ascii", "ignore").decode()
    detail = {Code.NO_SUCH_MAILBOX: "1.1", Code.TOO_OFTEN: "7.1", Code.MAIL_SPOOFED: "7.1"}.get(code, "6.0")
    return f"{status} {status // 100}.{detail} {' '.join(said.split())} ({code})"


def fault(runtime: Runtime) -> str | None:
    """Why mails would not be taken now, or None; for the doctor."""
    mail = runtime.settings.mail
    if mail.imap_url:
        waiting = Mailbox(mail.imap_url, mail.max_bytes).fault()
        if waiting:
            return waiting
    return _silent(mail.listen) if mail.listen else None


def _silent(listen: str) -> str | None:
    parts = urlsplit(listen)
    try:
        with socket.create_connection((parts.hostname, parts.port or 25), timeout=5) as line:
            greeting = line.recv(100)
    except OSError as error:
        return f"nobody listens at {listen} ({error}): is `python -m portal receive-mail` running?"
    return None if greeting.startswith(b"220") else f"what listens at {listen} is no mail server"
