"""Everything that we keep of one owner, as one ZIP that opens without us: films, texts, captions, consents, history.

Gathers from the rows first, then reads the storage in chunks while it is sent: no copy lies anywhere, and no
transaction is open meanwhile. Of other people only what the owner told us is in it, and what they answered.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from zipstream import ZipStream

from config import ROOT, Site
from portal import captions, i18n, owners, proof_file, reasons, signatures, themes, thread, webvtt
from portal.models import (
    AuditEvent,
    Clip,
    CoSignature,
    Film,
    Invitation,
    Notice,
    Person,
    Rendition,
    SupportCase,
    Theme,
    Upload,
)
from portal.storage import MIB, Bucket, Storage

CHUNK: Final = 4 * MIB
PAGES: Final = ROOT / "templates" / "archive"
_TEXTS: Final = (
    "title", "first_name", "city", "product", "owned_since", "filmed_on", "speech_lang", "music", "music_words",
    "relation", "incentive", "altered", "owner_level",
)  # fmt: skip

Say = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the archive: its path, and its bytes or where these lie."""

    path: str
    data: bytes = b""
    bucket: Bucket | None = None
    key: str = ""
    size: int = 0


@dataclass(slots=True)
class _Told:
    """One clip as the archive tells it."""

    id: str
    folder: str
    facts: dict[str, Any]
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Archive:
    """What is sent: pieces in their order, and the whole size in bytes, known before the first one."""

    pieces: tuple[Piece, ...]
    made_at: datetime

    def __len__(self) -> int:
        return len(self._zip(None))

    def stream(self, storage: Storage) -> Iterator[bytes]:
        """The ZIP's bytes; of the films never more than a chunk is held. Raises Unavailable in the middle, too."""
        yield from self._zip(storage)

    def _zip(self, storage: Storage | None) -> ZipStream:
        # Films do not shrink, and a size that is told beforehand lets browsers say how long it takes.
        made = ZipStream(sized=True)
        for piece in self.pieces:
            if piece.bucket is None:
                made.add(piece.data, piece.path)
            else:
                made.add(_read(storage, piece), piece.path, size=piece.size)
        return made


def gather(
    session: Session, storage: Storage, person: Person, *, site: Site, say: Say, now: datetime
) -> Archive:
    """Everything of this person; `say` puts a state, or a verb of the history, into words of the current language."""
    clips = [
        _told(session, storage, clip, number)
        for number, clip in enumerate(owners.clips_of(session, person), 1)
    ]
    return _archive(site, _account(session, person), clips, say, now)


def gather_guest(session: Session, email: str, *, site: Site, say: Say, now: datetime) -> Archive | None:
    """What is kept under an address that is nobody's account: invitations, their letters, films that name it.

    None when there is nothing.
    """
    invited = session.scalars(_invited(email)).all()
    named = select(CoSignature, Clip).join(Clip, Clip.id == CoSignature.clip_id)
    seen = session.execute(named.where(CoSignature.email == email).order_by(CoSignature.created_at)).all()
    if not invited and not seen:
        return None
    ids = [*(one.id for one in invited), *(row.id for row, _clip in seen)]
    first = min([*(one.created_at for one in invited), *(row.created_at for row, _clip in seen)])
    letters = select(Notice).where(Notice.about.in_(ids)).order_by(Notice.id)
    account = {
        "email": email,
        "name": "",
        "lang": invited[0].lang if invited else seen[0][1].lang,
        "created_at": first,
        "confirmed_at": None,
        "invitations": [_invitation(one) for one in invited],
        "letters": [_letter(one) for one in session.scalars(letters)],
        "seen_in": [_seen_in(session, row, clip) for row, clip in seen],
    }
    return _archive(site, account, [], say, now)


def _archive(site: Site, account: dict[str, Any], clips: list[_Told], say: Say, now: datetime) -> Archive:
    index = _index(site, account, clips, say, now)
    everything = {"made_at": now, "account": account, "clips": [one.facts for one in clips]}
    data = json.dumps(everything, ensure_ascii=False, indent=2, default=_plain).encode()
    style = (PAGES / "style.css").read_bytes()
    pieces = [Piece("index.html", index.encode()), Piece("style.css", style), Piece("data.json", data)]
    return Archive((*pieces, *(piece for one in clips for piece in one.pieces)), now)


def _read(storage: Storage | None, piece: Piece) -> Iterator[bytes]:
    if storage is None or piece.bucket is None:
        return
    for start in range(0, piece.size, CHUNK):
        yield storage.read(piece.bucket, piece.key, start, min(CHUNK, piece.size - start))


# What the rows say ---------------------------------------------------------------------------------------


def _account(session: Session, person: Person) -> dict[str, Any]:
    letters = (
        select(Notice).where(Notice.person_id == person.id, Notice.clip_id.is_(None)).order_by(Notice.id)
    )
    return {
        "email": person.email,
        "name": person.name,
        "lang": person.lang,
        "created_at": person.created_at,
        "confirmed_at": person.confirmed_at,
        "letters_wanted": sorted(owners.letters_wanted(session, person)),
        "invitations": [_invitation(one) for one in session.scalars(_invited(person.email))],
        "letters": [_letter(one) for one in session.scalars(letters)],
        "seen_in": [
            _seen_in(session, row, clip) for row, clip in signatures.asked_of(session, person.email or "")
        ],
    }


def _invited(email: str | None) -> Select[Invitation]:
    return select(Invitation).where(Invitation.email == email).order_by(Invitation.created_at)


def _invitation(one: Invitation) -> dict[str, Any]:
    names = ("first_name", "product", "owned_since", "lang", "created_at", "sent_at", "opened_at", "begun_at")
    return {name: getattr(one, name) for name in names}


def _seen_in(session: Session, row: CoSignature, clip: Clip) -> dict[str, Any]:
    """A film of somebody else's in which this person was asked to agree to be shown, and every answer given."""
    found = [one for one in proof_file.rows(session, clip).signatures if one.id == row.id]
    # A film of which nobody was asked yet may still be at its owner's: that it names this person is what we keep.
    is_asked = row.asked_at is not None
    title, by = (clip.title, clip.first_name) if is_asked else ("", "")
    told = {"name": row.name, "title": title, "by": by, "asked_at": row.asked_at}
    return told | {"answers": [asdict(answer) for one in found for answer in one.answers]}


def _told(session: Session, storage: Storage, clip: Clip, number: int) -> _Told:
    folder = f"clips/{number:02}-{themes.slugify(clip.title)[:40] or clip.id}"
    pieces = [*_films(session, storage, clip, folder), *_shown(session, storage, clip, folder)]
    spoken = [
        Piece(f"{folder}/captions-{row.lang}.vtt", webvtt.write(captions.cues_of(row)).encode())
        for row in captions.of(session, clip)
    ]
    facts = {
        "id": clip.id,
        "state": clip.state,
        "state_since": clip.state_since,
        "begun_at": clip.created_at,
        "published_at": clip.published_at,
        "consent_until": clip.consent_until,
        "views": clip.views,
        "texts": {name: getattr(clip, name) for name in _TEXTS},
        "themes": _themes(session, clip),
        **_proof(session, clip),
        "messages": [_message(one) for one in thread.of(session, clip)],
        "calls": _calls(session, clip),
        "letters": _letters(session, clip),
        "history": _history(session, clip),
        "files": [piece.path for piece in (*pieces, *spoken)],
    }
    return _Told(clip.id, folder, facts, [*pieces, *spoken])


def _films(session: Session, storage: Storage, clip: Clip, folder: str) -> Iterator[Piece]:
    asked = select(Film).where(Film.clip_id == clip.id, Film.erased_at.is_(None)).order_by(Film.number)
    names = session.execute(select(Upload.key, Upload.filename).where(Upload.clip_id == clip.id))
    named = {row.key: row.filename for row in names}
    for film in session.scalars(asked):
        ending = re.search(r"\.([a-z0-9]{2,4})$", named.get(film.key, "").casefold())
        path = f"{folder}/film-{film.number}-original.{ending[1] if ending else 'mp4'}"
        yield from _object(storage, film.key, path)


def _shown(session: Session, storage: Storage, clip: Clip, folder: str) -> Iterator[Piece]:
    """What is shown of it: the largest film of the cut that counts, the picture, a photograph that was sent."""
    asked = select(Rendition).where(Rendition.cut_id == (clip.cut_id or "")).order_by(Rendition.height)
    made = session.scalars(asked).all()
    for kind, ending in (("mp4", "mp4"), ("card", "jpg")):
        best = [one for one in made if one.kind == kind]
        if best:
            yield from _object(storage, best[-1].key, f"{folder}/shown.{ending}")
    if clip.still_key is not None:
        yield from _object(storage, clip.still_key, f"{folder}/picture-sent.jpg")


def _object(storage: Storage, key: str, path: str) -> Iterator[Piece]:
    size = storage.size(Bucket.ORIGINALS, key)
    if size is not None:
        yield Piece(path, bucket=Bucket.ORIGINALS, key=key, size=size)


def _themes(session: Session, clip: Clip) -> list[dict[str, str]]:
    slugs = themes.slugs_of(session, clip)
    rows = session.scalars(select(Theme).where(Theme.slug.in_(slugs)).order_by(Theme.position))
    return [{"slug": one.slug, **{name.lang: name.name for name in one.names}} for one in rows]


def _proof(session: Session, clip: Clip) -> dict[str, Any]:
    """What was agreed to, by whom and until when; which films came; what was decided: as the proof page has it."""
    proof = proof_file.rows(session, clip, for_owner=True)
    parts: dict[str, Sequence[Any]] = {
        "consents": proof.agreements,
        "people": proof.signatures,
        "films": proof.films,
        "decisions": proof.rulings,
        "owner_level_proofs": proof.levels,
    }
    return {name: [asdict(one) for one in rows] for name, rows in parts.items()}


def _message(one: Any) -> dict[str, Any]:
    return {"author": one.author, "made_at": one.made_at, "via": one.via, "words": one.words}


def _calls(session: Session, clip: Clip) -> list[dict[str, Any]]:
    asked = select(SupportCase).where(SupportCase.clip_id == clip.id).order_by(SupportCase.id)
    names = ("id", "made_at", "state", "words", "phone", "solved_at")
    return [{name: getattr(one, name) for name in names} for one in session.scalars(asked)]


def _letters(session: Session, clip: Clip) -> list[dict[str, Any]]:
    mine = (Notice.clip_id == clip.id, Notice.person_id == clip.owner_id)
    return [_letter(one) for one in session.scalars(select(Notice).where(*mine).order_by(Notice.id))]


def _letter(one: Notice) -> dict[str, Any]:
    return {"kind": one.kind, "state": one.state, "created_at": one.created_at, "sent_at": one.sent_at}


def _history(session: Session, clip: Clip) -> list[dict[str, Any]]:
    asked = select(AuditEvent).where(AuditEvent.clip_id == clip.id).order_by(AuditEvent.id)
    return [
        {"at": one.at, "verb": one.verb, "by": one.actor_kind, "state": one.to_state}
        for one in session.scalars(asked)
    ]


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


# The page ------------------------------------------------------------------------------------------------


def _index(site: Site, account: dict[str, Any], clips: list[_Told], say: Say, now: datetime) -> str:
    """One page in every language of the site, which needs neither us nor a network."""
    bodies = []
    for lang in site.languages:
        with i18n.language(lang):
            body = (
                _pages()
                .get_template("body.html")
                .render(
                    lang=lang,
                    site=site,
                    account=account,
                    clips=clips,
                    say=say,
                    now=now,
                    reason=reasons.name_of,
                )
            )
        bodies.append((lang, i18n.own_name(lang), body))
    return _pages().get_template("index.html").render(site=site, bodies=bodies)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    pages.install_gettext_callables(i18n.raw_gettext, i18n.raw_ngettext, newstyle=True)  # type: ignore[attr-defined]
    for function in (i18n.format_date, i18n.format_datetime, i18n.format_clock, i18n.own_name):
        pages.globals[function.__name__] = function
    return pages
