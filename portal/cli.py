"""The command line: `python -m portal <verb>`; parses, calls one rule, prints. `--json` for programs.

Exit status: 0 done, 1 refused or something is wrong (one line says what), 2 the command or the settings are wrong.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from config import ROOT, Settings, SettingsError, shown
from portal import (
    call_verbs,
    desk,
    doctor,
    fsck,
    i18n,
    long_verbs,
    owner_verbs,
    people,
    processing,
    themes,
    uses,
)
from portal.errors import PortalError
from portal.lifecycle import Actor, ActorKind
from portal.migrations import upgrade
from portal.models import Role, State
from portal.runtime import Runtime, build_runtime

# Whoever may type here may do everything; the trail says "admin", and no person.
BY = Actor(ActorKind.ADMIN)
ADDRESSES = "addresses.json"

Verb = Callable[[Runtime, argparse.Namespace], int]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What was given, on top of the addresses that `make run` keeps, so that another terminal finds its servers."""
    path = Path(given.get("DATA_DIR") or ROOT / "var") / ADDRESSES
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {**kept, **given}


def main(words: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its status."""
    arguments = _parser().parse_args(words)
    if arguments.verb is None:
        arguments.whole.print_help()
        sys.exit(0)
    env = environment(os.environ)
    try:
        settings = Settings.from_env(env)
        i18n.set_language("en")
        status: int = arguments.verb(build_runtime(settings), arguments)
    except SettingsError as error:
        _complain(*error.faults)
        status = 2
    except PortalError as error:
        _complain(long_verbs.explained(error))
        status = 1
    except (OSError, ValueError) as error:
        _complain(str(error))
        status = 1
    except SQLAlchemyError as error:
        _complain(
            f"the database: {str(error).splitlines()[0]}; `python -m portal migrate` brings it up to date"
        )
        status = 1
    sys.exit(status)


def _complain(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _show(rows: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> int:
    """Print rows as JSON or as columns."""
    if arguments.json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=2, default=_plain))
        return 0
    texts = [
        {name: "" if value is None else str(_plain(value)) for name, value in row.items()} for row in rows
    ]
    widths = {name: max(len(text[name]) for text in texts) for name in (texts[0] if texts else {})}
    for text in texts:
        print("  ".join(f"{value:<{widths[name]}}" for name, value in text.items()).rstrip())
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


# Verbs --------------------------------------------------------------------------------------------------


def migrate(runtime: Runtime, _arguments: argparse.Namespace) -> int:
    """Bring the database to the newest schema."""
    upgrade(runtime.settings.database_url)
    return 0


def people_add(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Let somebody into the studio; without a password, print the address where one is chosen."""
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else None
    site = runtime.settings.site
    with runtime.work() as session:
        person = people.add_staff(
            session,
            arguments.email,
            role=Role(arguments.role),
            name=arguments.name,
            password=password,
            lang=arguments.lang or site.default_language,
            by=BY,
        )
        row = {"id": person.id, "email": person.email, "role": person.role}
        if password is None:
            row["welcome"] = f"{site.url}/studio/welcome/{people.welcome_link(session, person)}"
    return _show([row], arguments)


def people_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Everybody who may enter the studio."""
    with runtime.read() as session:
        rows = [
            {"id": one.id, "email": one.email, "role": one.role, "name": one.name, "since": one.created_at}
            for one in people.staff(session)
        ]
    return _show(rows, arguments)


def people_remove(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Shut the studio to somebody at once."""
    wanted = arguments.email.strip().casefold()
    with runtime.work() as session:
        found = next((one.id for one in people.staff(session) if one.email == wanted), 0)
        people.remove_staff(session, found, by=BY)
    return 0


def tokens_add(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """A program's key; its plain text is shown this once."""
    with runtime.work() as session:
        token, plain = people.add_token(session, arguments.name, set(arguments.scope))
        row = {"id": token.id, "name": token.name, "scopes": token.scopes.split(), "token": plain}
    return _show([row], arguments)


def tokens_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Every program's key, revoked ones too, without its text."""
    with runtime.read() as session:
        rows = [
            {
                "id": one.id,
                "name": one.name,
                "scopes": one.scopes.split(),
                "since": one.created_at,
                "revoked": one.revoked_at,
            }
            for one in people.tokens(session)
        ]
    return _show(rows, arguments)


def tokens_revoke(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """End a program's key at once."""
    with runtime.work() as session:
        people.revoke_token(session, arguments.id)
    return 0


def themes_add(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Add a theme at the end."""
    names = dict(pair.split("=", 1) for pair in arguments.name)
    _known_languages(runtime, names)
    with runtime.work() as session:
        theme = themes.add(session, arguments.slug, names, by=BY)
        row = {"slug": theme.slug, "names": names}
    return _show([row], arguments)


def themes_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """All themes in their order."""
    with runtime.read() as session:
        rows = [
            {
                "slug": theme.slug,
                "names": {name.lang: name.name for name in theme.names},
                "retired": theme.retired_at,
            }
            for theme in themes.every(session)
        ]
    return _show(rows, arguments)


def themes_merge(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Give one theme's clips and address to another."""
    with runtime.work() as session:
        source, into = themes.by_slug(session, arguments.source), themes.by_slug(session, arguments.into)
        themes.merge(session, source, into, by=BY)
    return 0


def campaigns_add(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Open a call for clips, at once or from a day on."""
    lang = arguments.lang or runtime.settings.site.default_language
    _known_languages(runtime, [lang])
    return _show(call_verbs.campaign_add(runtime, arguments, lang=lang), arguments)


def campaigns_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """All calls for clips, with their figures."""
    return _show(call_verbs.campaign_list(runtime), arguments)


def invitations_import(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Read a CSV of customers to invite; all lines are kept, or none when one is wrong. Nothing is sent."""
    rows, status = call_verbs.guests_import(runtime, arguments, by=BY)
    _show(rows, arguments)
    return status


def invitations_send(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Send the invitations of a call that nobody has sent yet."""
    return _show(call_verbs.guests_send(runtime, arguments, by=BY), arguments)


def invitations_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Who was invited to a call, and how far each invitation got."""
    return _show(call_verbs.guests_list(runtime, arguments), arguments)


def clips_import(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Hand in films that lie on this machine; their owners add what is missing by the link printed. Run again, it goes on."""
    return long_verbs.clips_import(runtime, arguments, by=BY)


def clips_list(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Clips by how long they are in their state, newest first."""
    return _show(long_verbs.clips_list(runtime, arguments), arguments)


def clips_retry(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Try a clip's failed film work again."""
    with runtime.work() as session:
        clip = desk.clip_by_id(session, arguments.id)
        processing.retry(session, clip, by=BY)
        row = long_verbs.told(clip)
    return _show([row], arguments)


def clips_replan(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Make clips again that were made with an older ladder: in the background, while what is shown goes on playing."""
    return _show(long_verbs.clips_replan(runtime, arguments, by=BY), arguments)


def check(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Is everything well that the portal stands on? A line for each fault."""
    faults = doctor.faults(runtime)
    if not arguments.json:
        for name, words in doctor.about(runtime):
            print(f"{name}: {words}")
    _show([{"part": part, "fault": words} for part, words in faults.items()], arguments)
    if not faults and not arguments.json:
        print("Everything is well.")
    return 1 if faults else 0


def compare(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Hold the record against the buckets; a line for everything that is not as it must be."""
    scratch = runtime.settings.media.scratch
    findings = fsck.check(runtime.read, runtime.storage, deep=arguments.deep, scratch=scratch)
    if arguments.repair and fsck.repair(runtime.work, runtime.storage, findings):
        findings = fsck.check(runtime.read, runtime.storage, deep=arguments.deep, scratch=scratch)
    _show([finding.as_json() for finding in findings], arguments)
    if not findings and not arguments.json:
        print("The record and the buckets agree.")
    return 1 if findings else 0


def settings_shown(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Every setting, its value and where it comes from; secrets are hidden."""
    rows = shown(runtime.settings)
    wanted = ("name", "value", "origin", "help") if arguments.json else ("name", "value", "origin")
    return _show([{name: row[name] for name in wanted} for row in rows], arguments)


def openapi(runtime: Runtime, _arguments: argparse.Namespace) -> int:
    """The API's description, OpenAPI 3.1."""
    # Late: the other verbs need no web.
    from portal.web.openapi import document

    print(json.dumps(document(runtime.settings.site.url), ensure_ascii=False, indent=2))
    return 0


def export(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Everything we keep of one address, as the ZIP that its owner can download."""
    # Late, as in `openapi`: the words for states and verbs are the site's.
    from portal.web.words import said_word

    return _show(owner_verbs.export(runtime, arguments, say=said_word), arguments)


def erase(runtime: Runtime, arguments: argparse.Namespace) -> int:
    """Erase everything of one address: all its clips, its words, the address; each clip leaves a receipt."""
    return _show(owner_verbs.erase(runtime, arguments), arguments)


def _known_languages(runtime: Runtime, languages: Any) -> None:
    known = runtime.settings.site.languages
    if unknown := sorted(set(languages) - set(known)):
        message = f"{', '.join(unknown)}: not among the portal's languages ({', '.join(known)})"
        raise ValueError(message)


# The words -----------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m portal", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _verb(verbs, "migrate", migrate, json_too=False)
    for room, said, fill in (
        ("people", "Who may enter the studio: add, list, remove.", _people_verbs),
        ("tokens", "Programs' keys to the API: add, list, revoke.", _token_verbs),
        ("themes", "The themes visitors tick: add, list, merge.", _theme_verbs),
        ("campaigns", "Calls for clips: add, list.", _campaign_verbs),
        ("invitations", "Invitations to a call: import, send, list.", _invitation_verbs),
        ("clips", "Clips: import, list, retry, replan.", _clip_verbs),
    ):
        fill(
            verbs.add_parser(room, help=said, description=said).add_subparsers(metavar="VERB", required=True)
        )
    _verb(verbs, "doctor", check)
    found = _verb(verbs, "fsck", compare)
    found.add_argument(
        "--repair", action="store_true", help="delete what nobody needs, ask again for what is missing"
    )
    found.add_argument(
        "--deep", action="store_true", help="also read every published file and compare its hash"
    )
    _verb(verbs, "receive-mail", long_verbs.receive_mail, json_too=False).add_argument(
        "--once", action="store_true", help="empty the mailbox of INBOX_IMAP_URL once and end"
    )
    exporting = _verb(verbs, "export", export)
    exporting.add_argument("email", metavar="EMAIL")
    exporting.add_argument("file", metavar="FILE", type=Path, help="the ZIP to write; must not be there yet")
    erasing = _verb(verbs, "erase", erase)
    erasing.add_argument("email", metavar="EMAIL")
    erasing.add_argument("--yes", action="store_true", help="do it: nothing brings it back")
    _verb(verbs, "settings", settings_shown)
    _verb(verbs, "openapi", openapi, json_too=False)
    helped = verbs.add_parser("help", help="show this")
    helped.set_defaults(verb=None, whole=parser)
    return parser


def _verb(verbs: Any, name: str, act: Verb, *, json_too: bool = True) -> argparse.ArgumentParser:
    said = (act.__doc__ or "").strip()
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=said, description=said)
    parser.set_defaults(verb=act, json=False)
    if json_too:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _people_verbs(verbs: Any) -> None:
    adding = _verb(verbs, "add", people_add)
    adding.add_argument("email", metavar="EMAIL")
    adding.add_argument("--role", required=True, choices=[role.value for role in people.STAFF])
    adding.add_argument("--name", default="")
    adding.add_argument(
        "--lang", default="", help="the language this person reads (default: the portal's first)"
    )
    adding.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line given"
    )
    _verb(verbs, "list", people_list)
    _verb(verbs, "remove", people_remove, json_too=False).add_argument("email", metavar="EMAIL")


def _token_verbs(verbs: Any) -> None:
    adding = _verb(verbs, "add", tokens_add)
    adding.add_argument("name", metavar="NAME")
    adding.add_argument(
        "--scope", required=True, action="append", choices=people.SCOPES, help="may come again"
    )
    _verb(verbs, "list", tokens_list)
    _verb(verbs, "revoke", tokens_revoke, json_too=False).add_argument("id", metavar="ID", type=int)


def _theme_verbs(verbs: Any) -> None:
    adding = _verb(verbs, "add", themes_add)
    adding.add_argument("slug", metavar="SLUG")
    adding.add_argument(
        "--name", metavar="LANG=NAME", required=True, action="append", type=_pair, help="may come again"
    )
    _verb(verbs, "list", themes_list)
    merging = _verb(verbs, "merge", themes_merge, json_too=False)
    merging.add_argument("source", metavar="SOURCE", help="slug of the theme that goes away")
    merging.add_argument("into", metavar="INTO", help="slug of the theme that stays")


def _campaign_verbs(verbs: Any) -> None:
    adding = _verb(verbs, "add", campaigns_add)
    adding.add_argument("slug", metavar="SLUG")
    adding.add_argument("--title", required=True)
    adding.add_argument("--lang", default="", help="the language of the words (default: the portal's first)")
    for name, said in (
        ("--question", "what owners are asked"),
        ("--in-return", "what owners are given"),
        ("--opens", "the first day, as 2026-06-01"),
        ("--closes", "the last day"),
        ("--example", "a published clip's id"),
    ):
        adding.add_argument(name, default="", help=said)
    adding.add_argument("--help-text", default="", help="a few sentences of help")
    adding.add_argument("--shot", action="append", default=[], help="one thing worth filming; may come again")
    adding.add_argument(
        "--theme", action="append", default=[], metavar="SLUG", help="a theme offered; may come again"
    )
    for name, least in (
        ("--max-clips", None),
        ("--max-seconds", None),
        ("--answer-days", 2),
        ("--term-months", 24),
    ):
        adding.add_argument(name, type=int, default=least, metavar="N")
    adding.add_argument("--reminder-days", type=int, default=7, metavar="N", help="0: no reminder")
    adding.add_argument("--invited-only", action="store_true")
    _verb(verbs, "list", campaigns_list)


def _invitation_verbs(verbs: Any) -> None:
    importing = _verb(verbs, "import", invitations_import)
    importing.add_argument("file", metavar="FILE", help="CSV in UTF-8; - reads the standard input")
    importing.add_argument("--dry-run", action="store_true", help="only say what the list would give")
    importing.add_argument("--only-good", action="store_true", help="keep the good lines, leave the others")
    listing = _verb(verbs, "list", invitations_list)
    listing.add_argument("--limit", type=int, default=100)
    for one in (importing, _verb(verbs, "send", invitations_send), listing):
        one.add_argument("--campaign", required=True, metavar="SLUG")


def _clip_verbs(verbs: Any) -> None:
    _import_words(_verb(verbs, "import", clips_import))
    listing = _verb(verbs, "list", clips_list)
    listing.add_argument("--state", choices=[state.value for state in State])
    listing.add_argument(
        "--agreed", choices=uses.OFFERED, default="", help="published, and may be used for this"
    )
    listing.add_argument("--limit", type=int, default=50)
    _verb(verbs, "retry", clips_retry).add_argument("id", metavar="ID")
    replanning = _verb(verbs, "replan", clips_replan)
    which = replanning.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every clip whose cut has an older ladder")
    which.add_argument("--clip", metavar="ID", nargs="+", help="these, whatever they were made with")
    which.add_argument("--captions", action="store_true", help="no films: words of those nobody listened to")
    replanning.add_argument(
        "--other-profile", action="store_true", help="also those made with another profile than the settings'"
    )
    replanning.add_argument("--limit", type=int, default=1000, metavar="N", help="at most so many (1000)")
    replanning.add_argument("--dry-run", action="store_true", help="only say which")


def _import_words(importing: argparse.ArgumentParser) -> None:
    importing.add_argument("file", metavar="FILE", nargs="*")
    importing.add_argument("--campaign", metavar="SLUG", default="")
    importing.add_argument("--email", default="", help="the owner's address; mails go there")
    importing.add_argument("--side-file", metavar="FILE", type=Path, help="CSV or JSON: texts for each file")
    importing.add_argument("--lang", default="", help="the language we write to the owner in")
    for name in ("title", "first-name", "speech-lang", "city", "product", "incentive"):
        importing.add_argument(f"--{name}", default="", help="as in POST /submissions")
    importing.add_argument("--theme", dest="themes", metavar="SLUG", action="append", help="may come again")
    importing.add_argument(
        "--consents", default="", metavar="LIST", help="what the owner agreed to, for example site,adult"
    )
    importing.add_argument("--proof", default="", help="how that is proven: needed with --consents")


def _pair(text: str) -> str:
    lang, equals, name = text.partition("=")
    if not (lang and equals and name.strip()):
        message = f"{text!r} is not LANG=NAME, for example fr=Famille"
        raise argparse.ArgumentTypeError(message)
    return text
