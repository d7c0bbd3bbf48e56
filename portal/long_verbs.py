"""Verbs of the command line that take their time (`clips import`, `clips replan`, `receive-mail`), and `clips list`.

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

from portal import captions, cuts, desk, importing, postman, reasons
from portal.errors import Conflict, PortalError
from portal.lifecycle import Actor
from portal.models import Clip, State
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


def clips_replan(runtime: Runtime, arguments: argparse.Namespace, *, by: Actor) -> list[dict[str, Any]]:
    """Have clips made again that were made with an older ladder; one row for each, `asked` where it is under way.

    With `captions` their words alone: of films that nobody has listened to.
    """
    if arguments.captions:
        return _listened(runtime, arguments)
    profile = runtime.settings.media.profile if arguments.other_profile else None
    with runtime.read() as session:
        wanted = (
            [desk.clip_by_id(session, one) for one in arguments.clip]
            if arguments.clip
            else cuts.outdated(session, profile=profile, at_most=arguments.limit)
        )
        rows = [told(clip) | {"made": cuts.made_with(session, clip)} for clip in wanted[: arguments.limit]]
    for row in rows:
        row["asked"] = False if arguments.dry_run else _replan(runtime, row["id"], by=by)
    return rows


def _listened(runtime: Runtime, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    with runtime.read() as session:
        rows = [told(clip) for clip in captions.unheard(session, at_most=arguments.limit)]
    for row in rows:
        row["asked"] = False
        if not arguments.dry_run:
            with runtime.work() as session:
                row["asked"] = captions.listen(session, desk.clip_by_id(session, row["id"]))
    return rows


def _replan(runtime: Runtime, clip_id: str, *, by: Actor) -> bool:
    """Ask for one clip; False where it is cut, withdrawn or gone by now: the others go on."""
    try:
        with runtime.work() as session:
            cuts.replan(session, desk.clip_by_id(session, clip_id), by=by)
    except Conflict:
        return False
    return True


def clips_list(runtime: Runtime, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Clips in one state or any, newest first; with `agreed` those that may be used for this now."""
    state = State(arguments.state) if arguments.state else None
    which: dict[str, Any] = {"state": state, "use": arguments.agreed, "limit": arguments.limit}
    with runtime.read() as session:
        return [told(row.clip) for row in desk.queue(session, **which, order="newest")]


def told(clip: Clip) -> dict[str, Any]:
    """A clip as the command line shows it."""
    return {"id": clip.id, "state": clip.state, "since": clip.state_since, "title": clip.title}


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
    """Take mails to INBOX_ADDRESS until stopped: films become drafts, answers reach their clip (docs/mail.md)."""
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
