"""Verbs of the command line that take their time: `clips import` and `receive-mail`; they say how far they are.

Parse nothing: cli.py does.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from portal import importing, postman, reasons
from portal.errors import PortalError
from portal.lifecycle import Actor
from portal.runtime import Runtime


def explained(error: PortalError) -> str:
    """A refusal in one line: the sentence, the code, the faults by field."""
    facts = {name: value for name, value in error.facts.items() if name not in ("detail", "verb")}
    said = reasons.sentence(error.code, **facts)
    fields = ", ".join(f"{field}: {reasons.sentence(code)}" for field, code in error.fields.items())
    return " ".join(part for part in (said, f"({error.code})", fields) if part)


def clips_import(runtime: Runtime, arguments: argparse.Namespace, *, by: Actor) -> int:
    """Hand in films that lie on this machine, and go on with those that an earlier run began."""
    site = runtime.settings.site
    given = {
        name: value
        for name in ("campaign", "lang", "consents", "proof", *importing.TEXTS)
        if (value := getattr(arguments, name, None)) not in (None, "", [])
    }
    wanted = importing.wishes(arguments.file, arguments.side_file, given, default_lang=site.default_language)
    if not wanted:
        message = "nothing to import: name files, or a --side-file that does"
        raise ValueError(message)
    failed = 0
    for wish in wanted:
        progress = _Progress(wish.path, is_json=arguments.json)
        report = importing.bring(runtime, wish, by=by, seen=progress.seen)
        failed += report.error is not None
        progress.ended(report)
    return 1 if failed else 0


class _Progress:
    """Tells how far one file is: JSON lines for programs, one line that moves for a person at a terminal."""

    def __init__(self, path: Path, *, is_json: bool) -> None:
        self.name, self.is_json = path.name, is_json
        self.moves = not is_json and sys.stderr.isatty()

    def seen(self, done: int, of: int) -> None:
        """So many bytes are in the storage."""
        percent = 100 * done // of if of else 0
        if self.is_json:
            _tell({"event": "progress", "file": self.name, "bytes": done, "of": of, "percent": percent})
        elif self.moves:
            sys.stderr.write(f"\r\x1b[K{self.name}  {percent} %  {_mib(done)} of {_mib(of)}")
            sys.stderr.flush()

    def ended(self, report: importing.Report) -> None:
        """What became of the file."""
        if self.moves:
            sys.stderr.write("\r\x1b[K")
        if self.is_json:
            _tell(_row(report))
        elif report.error is not None:
            sys.stderr.write(f"{self.name}: {_fault(report)}\n")
        else:
            lacks = f"  lacks {', '.join(report.missing)}" if report.missing else ""
            how = "" if report.is_new else "  was there"
            sys.stdout.write(f"{self.name}  {report.clip_id}  {report.state}  {report.status}{how}{lacks}\n")
        sys.stdout.flush()


def _row(report: importing.Report) -> Mapping[str, Any]:
    if report.error is not None:
        code = report.error.code.value if isinstance(report.error, PortalError) else "file"
        fields = report.error.fields if isinstance(report.error, PortalError) else {}
        return {
            "event": "failed",
            "file": report.file,
            "code": code,
            "fields": {name: one.value for name, one in fields.items()},
            "detail": _fault(report),
        }
    return {
        "event": "done",
        "file": report.file,
        "id": report.clip_id,
        "status": report.status,
        "state": report.state,
        "missing": report.missing,
        "is_new": report.is_new,
    }


def _fault(report: importing.Report) -> str:
    return explained(report.error) if isinstance(report.error, PortalError) else str(report.error)


def _tell(row: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _mib(count: int) -> str:
    return f"{count / 1024**2:.1f} MiB"


def receive_mail(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Take the mails to INBOX_ADDRESS until stopped; what is at hand then is finished first."""
    if not runtime.settings.mail.inbox:
        message = "INBOX_ADDRESS: is not set, for example INBOX_ADDRESS=films@brand.example"
        raise ValueError(message)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    postman.run(runtime, stop, once=arguments.once, said=_said)
    return 0


def _said(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
