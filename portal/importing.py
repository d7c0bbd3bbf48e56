"""Films on this machine's disk that become clips: `clips import`, by the rules of the API, once however often it runs.

Reads the side file with texts and consents; the bytes are carried by `carrier`. Never guesses a consent.
"""

import csv
import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from config import Site, UploadLimits
from portal import campaigns, carrier, consent, people, readiness, submission, uploads
from portal.errors import Code, Missing, PortalError, Unacceptable
from portal.lifecycle import Actor
from portal.models import Campaign, Clip, State, Upload
from portal.runtime import Runtime
from portal.signatures import Named

CHANNEL: Final = "import"
TEXTS: Final = (
    *("email", "first_name", "title", "themes", "speech_lang", "city", "product", "owned_since", "filmed_on"),
    *("incentive", "altered", "music", "music_words", "relation", "people"),
)
"""What a side file may tell of a film: the API's names (`POST /submissions`)."""

FIELDS: Final = ("file", "campaign", "lang", *TEXTS, "consents", "proof")
_MOST_SIDE_BYTES: Final = 4 * 1024 * 1024
# Never changed: films that were imported once are known by it.
_STRETCH: Final = 1024 * 1024
# A film that was taken back or forgotten may be handed in anew.
_OVER: Final = (State.WITHDRAWN, State.ERASED)


@dataclass(frozen=True, slots=True)
class Wish:
    """One file and what is said of it; `proof` tells how its owner agreed."""

    path: Path
    campaign: str
    lang: str
    texts: submission.Texts
    consents: tuple[str, ...] = ()
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one file: the clip and its link, or the fault."""

    file: str
    clip_id: str | None = None
    status: str | None = None
    state: str | None = None
    missing: list[str] = field(default_factory=list)
    is_new: bool = True
    error: PortalError | OSError | None = None


def wishes(files: list[str], side: Path | None, given: Mapping[str, Any], *, default_lang: str) -> list[Wish]:
    """What is to be imported: the files, with what the side file says of each on top of what holds for all.

    With a side file and no files, everything that it names, beside it. Raises ValueError (which line, what is wrong).
    """
    told = _read(side) if side is not None else {}
    if not files and side is not None:
        rows = {side.parent / name: row for name, row in told.items()}
    else:
        named = _named_by([Path(name) for name in files], list(told), side)
        rows = {path: told.get(key, {}) for path, key in named.items()}
    return [_wish(path, {**given, **row}, default_lang) for path, row in rows.items()]


def _named_by(paths: list[Path], names: list[str], side: Path | None) -> dict[Path, str]:
    """By which name of the side file each film is told of; "" for none.

    By its path, as written or seen from the side file; by its last part alone only where that can mean one film.
    """
    beside = side.parent if side is not None else Path()
    by_path = {(base / name).resolve(): name for base in (beside, Path()) for name in names}
    found = {path: by_path.get(path.resolve(), "") for path in paths}
    loose = [name for name in names if name not in found.values()]
    if unmet := sorted(name for name in loose if Path(name).name not in {path.name for path in paths}):
        raise ValueError(f"{side}: tells of {', '.join(unmet)}, which is not among the files")
    for name in loose:
        likely = [path for path in paths if path.name == Path(name).name]
        rivals = [other for other in loose if Path(other).name == Path(name).name]
        if len(likely) > 1 or len(rivals) > 1 or found[likely[0]]:
            told = ", ".join([*rivals, *map(str, likely)])
            raise ValueError(
                f"{side}: {told} have the same name: write each with its folder, as on the command line"
            )
        found[likely[0]] = name
    return found


def bring(
    runtime: Runtime, wish: Wish, *, by: Actor, seen: Callable[[int, int], None] | None = None
) -> Report:
    """Make one file a clip, or go on where an earlier run ended; faults are in the report, never raised."""
    try:
        clip_id, token, is_new = _begun(runtime, wish, by=by)
        carrier.carry(runtime, clip_id, wish.path, by=by, key=key_of(wish.path), seen=seen)
    except (PortalError, OSError) as error:
        return Report(wish.path.name, error=error)
    with runtime.read() as session:
        clip = session.get_one(Clip, clip_id)
        site = runtime.settings.site
        return Report(
            file=wish.path.name,
            clip_id=clip_id,
            status=f"{site.url}/{clip.lang}/s/{token}" if token else None,
            state=clip.state,
            missing=readiness.missing(session, clip),
            is_new=is_new,
        )


def _begun(runtime: Runtime, wish: Wish, *, by: Actor) -> tuple[str, str, bool]:
    """The clip of this film, its link and whether it is new: the same film, call and owner make one clip.

    What an owner has written meanwhile stays: of a clip that is there, only the film is carried on.
    """
    _must_be_whole(wish, runtime.settings.uploads, runtime.settings.site)
    key, site = key_of(wish.path), runtime.settings.site
    with runtime.work() as session:
        campaign = _campaign(session, wish.campaign)
        found = _there(session, campaign, wish, key)
        if found is not None:
            return found.id, submission.new_link(session, found), False
        clip, token = submission.begin(
            session,
            campaign,
            lang=wish.lang,
            texts=wish.texts,
            consents=wish.consents,
            channel=CHANNEL,
            by=by,
            site=site,
            proof=consent.proof_of(agent=wish.proof),
        )
        return clip.id, token, True


def _must_be_whole(wish: Wish, limits: UploadLimits, site: Site) -> None:
    """Raise for what is no film, would make a clip that nobody can follow, or a consent that nobody can prove."""
    if wish.lang not in site.languages:
        raise Unacceptable(Code.UNKNOWN_LANGUAGE, fields={"lang": Code.UNKNOWN_LANGUAGE})
    if not wish.path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(wish.path))
    if not wish.texts.email:
        raise Unacceptable(Code.REQUIRED, fields={"email": Code.REQUIRED})
    if wish.consents and not wish.proof.strip():
        raise Unacceptable(Code.REQUIRED, fields={"proof": Code.REQUIRED})
    uploads.check(carrier.announced(wish.path), limits)


def key_of(path: Path) -> str:
    """By what a film on the disk is known again: its size, beginning and end."""
    with path.open("rb") as file:
        size = path.stat().st_size
        told = ":".join((str(size), *carrier.fingerprint(file, size, stretch=_STRETCH)))
    return f"{CHANNEL}:{hashlib.sha256(told.encode()).hexdigest()}"


def _campaign(session: Session, slug: str) -> Campaign:
    try:
        return campaigns.by_slug(session, slug)
    except Missing as error:
        raise Unacceptable(Code.INVALID, fields={"campaign": Code.MISSING}) from error


def _there(session: Session, campaign: Campaign, wish: Wish, key: str) -> Clip | None:
    """The clip that an earlier run made of this film, or the one that it had just begun when it ended."""
    owner = people.by_email(session, wish.texts.email or "")
    if owner is None:
        return None
    mine = select(Clip).where(
        Clip.campaign_id == campaign.id,
        Clip.owner_id == owner.id,
        Clip.channel == CHANNEL,
        Clip.state.not_in(_OVER),
    )
    of_film = mine.where(exists().where(Upload.clip_id == Clip.id, Upload.idempotency_key == key))
    found = session.scalars(of_film.order_by(Clip.created_at.desc()).limit(1)).first()
    if found is not None:
        return found
    title = " ".join((wish.texts.title or "").split())
    bare = mine.where(
        Clip.state == State.DRAFT, Clip.title == title, ~exists().where(Upload.clip_id == Clip.id)
    )
    return session.scalars(bare.order_by(Clip.created_at).limit(1)).first()


# The side file ------------------------------------------------------------------------------------------


def _read(side: Path) -> dict[str, dict[str, Any]]:
    """What the side file tells, by file; every fault with its line in one ValueError."""
    if side.stat().st_size > _MOST_SIDE_BYTES:
        raise ValueError(f"{side}: larger than {_MOST_SIDE_BYTES} bytes")
    text = side.read_text(encoding="utf-8-sig")
    try:
        rows = list(_json_rows(text) if side.suffix.lower() == ".json" else _csv_rows(text))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{side}: {error}") from error
    told: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for place, row in rows:
        name = row.get("file")
        unknown = sorted(set(row) - set(FIELDS))
        if unknown:
            faults.append(f"{place}: unknown field {', '.join(map(str, unknown))}")
        elif not isinstance(name, str) or not name:
            faults.append(f"{place}: names no file")
        elif name in told:
            faults.append(f"{place}: tells of {name} a second time")
        else:
            told[name] = {
                key: value for key, value in row.items() if key != "file" and value not in ("", None)
            }
    if faults:
        raise ValueError("\n".join(f"{side}: {fault}" for fault in faults))
    return told


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    dialect = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=dialect, strict=True)
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num}: has more cells than the first line")
        yield f"line {reader.line_num}", {key.strip(): (value or "").strip() for key, value in row.items()}


def _json_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    found = json.loads(text)
    if isinstance(found, dict):
        found = [{"file": name, **row} if isinstance(row, dict) else row for name, row in found.items()]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ValueError("is neither a list of objects nor an object by file name")
    yield from ((f"entry {number}", row) for number, row in enumerate(found, 1))


def _wish(path: Path, told: Mapping[str, Any], default_lang: str) -> Wish:
    try:
        return Wish(
            path=path,
            campaign=str(told.get("campaign") or ""),
            lang=str(told.get("lang") or default_lang),
            texts=_texts(told),
            consents=tuple(_consents(told.get("consents"))),
            proof=str(told.get("proof") or ""),
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _texts(told: Mapping[str, Any]) -> submission.Texts:
    said: dict[str, Any] = {name: told[name] for name in TEXTS if told.get(name) not in ("", None)}
    if "themes" in said:
        said["themes"] = _words(said["themes"])
    if "owned_since" in said:
        said["owned_since"] = int(said["owned_since"])
    if "filmed_on" in said:
        said["filmed_on"] = date.fromisoformat(str(said["filmed_on"]))
    if "altered" in said:
        said["altered"] = _yes_or_no(said["altered"])
    if "people" in said:
        said["people"] = [_named(one) for one in _list(said["people"])]
    for name, value in said.items():
        if name not in ("themes", "owned_since", "filmed_on", "altered", "people") and not isinstance(
            value, str
        ):
            raise ValueError(f"{name} is no text")
    return submission.Texts(**said)


def _yes_or_no(value: Any) -> bool:
    """A yes or no of JSON, or one of the words by which a list of CSV says so."""
    if isinstance(value, bool):
        return value
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(f"altered is {value!r}, neither yes nor no")
    return known[str(value).lower()]


def _named(one: Any) -> Named:
    if (
        not isinstance(one, dict)
        or not isinstance(one.get("name"), str)
        or set(one) - {"name", "email", "minor"}
    ):
        raise ValueError("people is a list of {name, email, minor}, in a JSON file")
    return Named(one["name"], one.get("email") or None, bool(one.get("minor")))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("people is a list of {name, email, minor}, in a JSON file")  # noqa: TRY004 - a file's fault
    return value


def _words(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is neither words nor a list of words")  # noqa: TRY004 - a file's fault
    return value.replace(";", " ").replace(",", " ").split()


def _consents(value: Any) -> list[str]:
    """The purposes that somebody agreed to: words, or the API's object of purposes and yes or no."""
    if not value:
        return []
    if isinstance(value, dict):
        return [purpose for purpose, is_given in value.items() if is_given is True]
    return _words(value)
