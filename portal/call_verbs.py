"""What the command line does with calls and invitations: rows to be shown, and whether anything is wrong.

Knows no argument parser's words but those it is given; prints nothing.
"""

import sys
from argparse import Namespace
from datetime import date
from pathlib import Path
from typing import Any

from portal import campaigns, funnel, invitations, reasons
from portal.database import db_now
from portal.lifecycle import Actor
from portal.runtime import Runtime

Rows = list[dict[str, Any]]


def campaign_add(runtime: Runtime, asked: Namespace, *, lang: str) -> Rows:
    """Open a call for clips, at once or from a day on."""
    site = runtime.settings.site
    terms = campaigns.Terms(
        example_clip_id=asked.example or None,
        max_clips=asked.max_clips,
        max_seconds=asked.max_seconds,
        themes=tuple(asked.theme),
        answer_days=asked.answer_days,
        term_months=asked.term_months,
        reminder_days=asked.reminder_days,
        invited_only=asked.invited_only,
    )
    said = campaigns.Words(
        asked.title, asked.question, asked.in_return, asked.help_text, "\n".join(asked.shot)
    )
    with runtime.work() as session:
        made = campaigns.add(
            session, asked.slug, title=asked.title, lang=lang, texts={lang: said},
            days=(_day(asked.opens), _day(asked.closes)), terms=terms,
        )  # fmt: skip
        return [{"slug": made.slug, "address": f"{site.url}/{lang}/participate/{made.slug}"}]


def campaign_list(runtime: Runtime) -> Rows:
    """All calls, whether they take clips, and the six steps of each in figures."""
    default = runtime.settings.site.default_language
    with runtime.read() as session:
        return [
            {
                "slug": one.slug,
                "title": campaigns.text_of(one, default, default).title,
                "state": how.value,
                "opens": one.opens_at,
                "closes": one.closes_at,
                **{
                    step.name: step.guests if step.everybody is None else step.everybody
                    for step in funnel.of(session, one)
                },
            }
            for one, how in campaigns.standings(session).items()
        ]


def guests_import(runtime: Runtime, asked: Namespace, *, by: Actor) -> tuple[Rows, int]:
    """Read a list of customers and, unless it is a dry run or a line is wrong, keep it; 1 when a line is wrong."""
    raw = sys.stdin.buffer.read() if asked.file == "-" else Path(asked.file).read_bytes()
    with runtime.work() as session:
        report = invitations.take(
            session, campaigns.by_slug(session, asked.campaign), raw, site=runtime.settings.site,
            settings=runtime.settings.proofs, by=by, keep=not asked.dry_run, only_good=asked.only_good,
        )  # fmt: skip
    rows: Rows = [
        {"line": one.line, "column": one.column, "what": reasons.sentence(one.code, **one.facts)}
        for one in report.faults
    ]
    rows += [{"line": one.line, "column": "", "what": f"left out: {one.why}"} for one in report.skipped]
    told = f"{len(report.guests)} good, {len(report.faults)} wrong, {report.kept} kept"
    rows.append({"line": None, "column": "", "what": told})
    return rows, 1 if report.faults and not asked.only_good else 0


def guests_send(runtime: Runtime, asked: Namespace, *, by: Actor) -> Rows:
    """Let the letters leave that nobody has sent yet; the worker posts them in small batches."""
    with runtime.work() as session:
        count = invitations.send(session, campaigns.by_slug(session, asked.campaign), by=by)
    return [{"sent": count}]


def guests_list(runtime: Runtime, asked: Namespace) -> Rows:
    """Who was invited to a call, newest first, and how far each invitation got."""
    with runtime.read() as session:
        now = db_now(session)
        found = invitations.of(session, campaigns.by_slug(session, asked.campaign), limit=asked.limit)
        return [
            {"id": one.id, "email": one.email, "state": invitations.state_of(one, now), "level": one.level,
             "sent": one.sent_at, "opened": one.opened_at, "clip": one.clip_id}
            for one in found
        ]  # fmt: skip


def _day(told: str) -> date | None:
    return date.fromisoformat(told) if told else None
