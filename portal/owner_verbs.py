"""Verbs of the command line for somebody who asks on paper: everything we keep of one address, handed out or erased.

Parse nothing: cli.py does.
"""

import argparse
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from portal import my_data, owners, people
from portal.database import db_now
from portal.errors import Code, Missing
from portal.i18n import set_language
from portal.models import Person
from portal.runtime import Runtime


def export(runtime: Runtime, arguments: argparse.Namespace, *, say: my_data.Say) -> list[dict[str, Any]]:
    """Write the ZIP that the owner would download; raises Missing for an unknown address, OSError."""
    path: Path = arguments.file
    with runtime.read() as session:
        person = _known(session, arguments.email)
        set_language(person.lang)
        site = runtime.settings.site
        archive = my_data.gather(session, runtime.storage, person, site=site, say=say, now=db_now(session))
    set_language("en")
    # Nobody else on this machine is to read it, and a file that is there already is not written over.
    with path.open("xb") as file:
        path.chmod(0o600)
        for block in archive.stream(runtime.storage):
            file.write(block)
    return [{"file": str(path), "bytes": path.stat().st_size}]


def erase(runtime: Runtime, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Take all clips of an address out of sight and have everything erased; without --yes only say what that means."""
    with runtime.work() as session:
        person = _known(session, arguments.email)
        clips = [
            {"id": one.id, "state": one.state, "title": one.title} for one in owners.clips_of(session, person)
        ]
        if arguments.yes:
            owners.erase(session, person, lang=person.lang)
    said = {"erased": "asked" if arguments.yes else "no: repeat with --yes"}
    return [{"email": arguments.email, "clips": len(clips), **said}]


def _known(session: Session, address: str) -> Person:
    person = people.by_email(session, address)
    if person is None:
        raise Missing(Code.MISSING)
    return person
