"""A TCP line to a server that can be told to misbehave: refuse, reset, hang, be slow, break off, answer 503 or 507.

One asyncio loop in a thread of its own; a mode holds for connections and bytes from that moment on.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Self

REFUSALS = {
    "503": ("Service Unavailable", "SlowDown"),
    # How a storage says that it is full.
    "507": ("Insufficient Storage", "InsufficientStorage"),
}
MODES = ("refuse", "reset", "hang", "slow", "cut", "503")


def refusal(status: str) -> bytes:
    """A whole answer that says no, as an S3 storage words it."""
    reason, code = REFUSALS[status]
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


class Proxy:
    """A line from `port` to the target; `mode` is empty while it is a good one."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.mode = ""
        # After how many bytes of an answer the line breaks (cut), and how long each piece takes (slow).
        self.cut_after = 100
        self.slow_seconds = 0.05
        self.connections = 0
        # How many bytes went on to the target.
        self.carried = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    @contextlib.contextmanager
    def misbehaving(self, mode: str, **figures: float) -> Iterator[None]:
        """Misbehave for a while."""
        for name, value in figures.items():
            setattr(self, name, value)
        self.mode = mode
        try:
            yield
        finally:
            self.mode = ""

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._meet, sock=self._socket))
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self.mode in ("refuse", "reset"):
                _reset(writer)
                return
            if (status := self.mode) in REFUSALS:
                await reader.read(65536)
                writer.write(refusal(status))
                await writer.drain()
                writer.close()
                return
            there, back = await asyncio.open_connection(*self._target)
            pumps = [self._pump(reader, back, answers=False), self._pump(there, writer, answers=True)]
            await asyncio.gather(*pumps)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        passed = 0
        try:
            while data := await source.read(65536):
                while self.mode == "hang":  # noqa: ASYNC110 - told by another thread
                    await asyncio.sleep(0.02)
                if self.mode in ("refuse", "reset", *REFUSALS):
                    _reset(target)
                    return
                if self.mode == "slow":
                    await asyncio.sleep(self.slow_seconds)
                if self.mode == "cut" and answers:
                    data = data[: max(0, int(self.cut_after) - passed)]
                passed += len(data)
                if not answers:
                    self.carried += len(data)
                target.write(data)
                await target.drain()
                if self.mode == "cut" and answers and passed >= self.cut_after:
                    _reset(target)
                    return
        except OSError:
            return
        finally:
            with contextlib.suppress(OSError):
                target.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the line the hard way."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    writer.transport.abort()
