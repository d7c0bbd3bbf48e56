"""Verbs of the command line for somebody who asks on paper: everything we keep of one address, handed out or erased.

Parse nothing: cli.py does.
"""

import argparse
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import forgetting, my_data, owners, people
from portal.database import db_now
from portal.errors import Code, Missing
from portal.i18n import set_language
from portal.models import CoSignature, Invitation
from portal.runtime import Runtime


def export(runtime: Runtime, arguments: argparse.Namespace, *, say: my_data.Say) -> list[dict[str, Any]]:
    """Write the ZIP that the owner would download; raises Missing for an unknown address, OSError.

    Whoever was only invited, or named as somebody in a film, gets what is kept of that.
    """
    path: Path = arguments.file
    site = runtime.settings.site
    with runtime.read() as session:
        person, now = people.by_email(session, arguments.email), db_now(session)
        if person is not None:
            set_language(person.lang)
            archive = my_data.gather(session, runtime.storage, person, site=site, say=say, now=now)
        else:
            found = my_data.gather_guest(session, _plain(arguments.email), site=site, say=say, now=now)
            if found is None:
                raise Missing(Code.MISSING)
            archive = found
    set_language("en")
    # Nobody else on this machine is to read it, and a file that is there already is not written over.
    with path.open("xb") as file:
        path.chmod(0o600)
        for block in archive.stream(runtime.storage):
            file.write(block)
    return [{"file": str(path), "bytes": path.stat().st_size}]


def erase(runtime: Runtime, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Take all clips of an address out of sight and have everything erased; without --yes only say what that means.

    Invitations are forgotten at once. The films of others that name this address are counted: it stays with the
    agreement that was given there, and goes with the film. Raises Missing where nothing at all is found.
    """
    with runtime.work() as session:
        person, address = people.by_email(session, arguments.email), _plain(arguments.email)
        clips = owners.clips_of(session, person) if person is not None else []
        invitations = _count(session, Invitation, address)
        films = _count(session, CoSignature, address)
        if person is None and not invitations and not films:
            raise Missing(Code.MISSING)
        if arguments.yes and person is not None:
            owners.erase(session, person, lang=person.lang)
        elif arguments.yes:
            forgetting.forget_invitations(session, address)
    said = {"erased": _said(arguments, is_known=person is not None, invitations=invitations)}
    found = {"clips": len(clips), "invitations": invitations, "named_in": films}
    return [{"email": arguments.email, **found, **said}]


def _said(arguments: argparse.Namespace, *, is_known: bool, invitations: int) -> str:
    if not arguments.yes:
        return "no: repeat with --yes"
    if is_known:
        return "asked"
    return "done" if invitations else "no: it goes with the films that name it"


def _count(session: Session, table: type[CoSignature] | type[Invitation], address: str) -> int:
    return session.scalar(select(func.count()).select_from(table).where(table.email == address)) or 0


def _plain(address: str) -> str:
    return address.strip().casefold()
