"""Makes rows as the rules would leave them, in whole units of work; each returns a detached, loaded row."""

import itertools
import secrets
from collections.abc import Callable
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal import cuts, keys, leases, people, submission
from portal.cuts import Report, Stored
from portal.database import db_now
from portal.jobs import JobKind
from portal.ladder import LADDER_VERSION
from portal.leases import Claim
from portal.models import (
    Campaign,
    CampaignText,
    Clip,
    ClipTheme,
    Consent,
    ConsentText,
    Cut,
    CutState,
    Decision,
    Film,
    Job,
    JobState,
    Person,
    Publication,
    Reason,
    Rendition,
    Role,
    State,
    Theme,
    ThemeName,
    WorkerSeen,
)
from portal.runtime import Runtime
from portal.storage import Bucket

_numbers = itertools.count(1)

# States in which a clip has a finished film with renditions.
WITH_FILM = set(State) - {State.DRAFT, State.UPLOADING, State.PROCESSING, State.FAILED, State.ERASED}

# (name, kind, type, width, height) of what a landscape clip of 640 x 360 is made of.
MADE = (
    ("master.m3u8", "master", "application/vnd.apple.mpegurl", None, None),
    ("360.m3u8", "playlist", "application/vnd.apple.mpegurl", None, None),
    ("360.cmfv", "hls_video", "video/mp4", 640, 360),
    ("audio.m3u8", "playlist", "application/vnd.apple.mpegurl", None, None),
    ("audio.cmfa", "hls_audio", "audio/mp4", None, None),
    ("360.mp4", "mp4", "video/mp4", 640, 360),
    ("poster-360.avif", "poster", "image/avif", 360, 203),
    ("poster-360.webp", "poster", "image/webp", 360, 203),
    ("poster-640.avif", "poster", "image/avif", 640, 360),
    ("poster-640.webp", "poster", "image/webp", 640, 360),
    ("card.jpg", "card", "image/jpeg", 1200, 630),
    ("storyboard.webp", "storyboard", "image/webp", 160, 90),
    ("storyboard.vtt", "storyboard_vtt", "text/vtt", None, None),
)

# What each of these files holds, and its sum.
MADE_BYTES = b"m" * 100
MADE_SHA256 = sha256(MADE_BYTES).hexdigest()

# What its owner says of a clip, and what is measured of it.
SAID = {
    "title": "Six heures, le Galibier pour nous seuls", "first_name": "Nadia", "city": "Grenoble",
    "speech_lang": "fr", "filmed_on": date(2026, 6, 1), "lang": "fr",
}  # fmt: skip
MEASURED = {"seconds": 12.0, "width": 640, "height": 360}


def act(runtime: Runtime, rule: Callable[..., Any], clip: Clip, *words: Any, **options: Any) -> Any:
    """What a rule says about a clip, in a unit of work of its own."""
    with runtime.work() as session:
        return rule(session, session.get_one(Clip, clip.id), *words, **options)


class Factory:
    """Rows for one test's portal."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def person(
        self,
        email: str | None = None,
        *,
        role: Role = Role.OWNER,
        name: str = "",
        lang: str = "fr",
        is_confirmed: bool = True,
    ) -> Person:
        """A person, whose address has been shown to be theirs unless said otherwise."""
        with self.runtime.work() as session:
            person = Person(
                email=email or f"owner{next(_numbers)}@mail.example",
                role=role,
                name=name,
                lang=lang,
                session_token=secrets.token_urlsafe(32),
                created_at=db_now(session),
                confirmed_at=db_now(session) if is_confirmed else None,
            )
            session.add(person)
        return person

    def campaign(
        self, slug: str = "quotidien", *, title: str = "La vie en Solène", **columns: Any
    ) -> Campaign:
        with self.runtime.work() as session:
            found = session.scalar(select(Campaign).where(Campaign.slug == slug))
            if found is not None:
                return found
            campaign = Campaign(slug=slug, created_at=db_now(session), **columns)
            campaign.texts = [CampaignText(lang="fr", title=title, question="Quel trajet ?")]
            session.add(campaign)
        return campaign

    def theme(self, slug: str, *, position: int | None = None, **names: str) -> Theme:
        with self.runtime.work() as session:
            theme = Theme(slug=slug, position=position if position is not None else next(_numbers))
            theme.names = [
                ThemeName(lang=lang, name=name) for lang, name in (names or {"fr": slug.capitalize()}).items()
            ]
            session.add(theme)
        return theme

    def clip(
        self,
        state: State = State.IN_REVIEW,
        *,
        themes: list[Theme] | None = None,
        owner: Person | None = None,
        with_objects: bool = False,
        consents: tuple[str, ...] = ("site", "adult"),
        **columns: Any,
    ) -> Clip:
        """A whole clip in a state, with owner, consents, film and renditions as that state has them.

        `with_objects` also puts small objects into the storage under the renditions' keys.
        """
        campaign, owner = self.campaign(), owner or self.person()
        clip_id = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz234567") for _ in range(10))
        with self.runtime.work() as session:
            # Settings of tests ask for no confirmed address (tests/conftest.py).
            values = {"is_vouched": True} | _values(state, db_now(session)) | columns
            values.setdefault(
                "search_text", f"{values['title']} {values['city']} {values['first_name']}".lower()
            )
            values |= {"id": clip_id, "campaign_id": campaign.id, "owner_id": owner.id, "state": state}
            # Core insert: tests set the stage, only lifecycle.move changes it.
            session.execute(insert(Clip).values(**values))
            session.add_all(ClipTheme(clip_id=clip_id, theme_id=theme.id) for theme in themes or [])
            self._consents(session, clip_id, consents)
            if state in WITH_FILM:
                film = _film(session, clip_id, values["film_id"])
                token = _published(session, film) if state == State.PUBLISHED else None
                session.add_all(_renditions(film))
                if with_objects:
                    self._objects(film, token)
            session.flush()
            return session.get_one(Clip, clip_id)

    def film(self, clip: Clip, number: int = 2, *, is_ready: bool = False, **columns: Any) -> Film:
        """A film of a clip as it arrived, in the record alone; one that is ready has no cut and no files yet."""
        with self.runtime.work() as session:
            now, film_id = db_now(session), secrets.token_hex(16)
            values = {
                "id": film_id, "clip_id": clip.id, "number": number, "key": keys.original(clip.id, film_id, at=now),
                "size_bytes": 1000, "facts": {}, "received_at": now, "ready_at": now if is_ready else None,
            }  # fmt: skip
            film = Film(**(values | columns))
            session.add(film)
        return film

    def finished_cut(self, clip: Clip, seconds: float = 10.0) -> Claim:
        """The worker takes the cut that was asked for and has made it; the claim it did so by."""
        wanted = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.REMAKE)
        with self.runtime.work() as session:
            job_id = session.scalars(wanted.where(Job.state == JobState.QUEUED)).one()
            claim = leases.claim(session, job_id)
        assert claim is not None
        files = [
            Stored(name, kind, keys.made(clip.id, claim.token, name), "video/mp4", 100, "c" * 64, 640, 360)
            for name, kind in (("master.m3u8", "master"), ("360.mp4", "mp4"))
        ]
        with self.runtime.work() as session:
            assert cuts.made(session, claim, files, Report(seconds, 640, 360))
        return claim

    def decision(self, clip: Clip, verb: str, *reasons: Reason, **columns: Any) -> Decision:
        """A decision on the clip's first version; with the film it was about where one counts."""
        with self.runtime.work() as session:
            film = session.get(Film, clip.film_id) if clip.film_id else None
            about = {"film_id": film.id, "film_sha256": film.sha256} if film is not None else {}
            values = {"clip_version": 1, "made_at": db_now(session), **about} | columns
            decision = Decision(clip_id=clip.id, verb=verb, reasons=list(reasons), **values)
            session.add(decision)
        return decision

    def worker(self, name: str, *, ago: timedelta = timedelta(0), **facts: Any) -> None:
        """A worker that was heard of so long ago and said this of itself."""
        with self.runtime.work() as session:
            session.add(WorkerSeen(name=name, seen_at=db_now(session) - ago, facts=facts))

    def link(self, clip: Clip, *, mailed_to: int | None = None) -> str:
        """The token of a link that opens the clip's page."""
        return str(act(self.runtime, submission.new_link, clip, mailed_to=mailed_to))

    def bearer(self, *scopes: str) -> dict[str, str]:
        """The header by which a program of the brand shows that it may do this."""
        with self.runtime.work() as session:
            _token, plain = people.add_token(session, "program", set(scopes))
        return {"Authorization": f"Bearer {plain}"}

    def age(self, clip: Clip, by: timedelta) -> None:
        """Let nothing have happened to the clip for so long."""
        with self.runtime.work() as session:
            then = db_now(session) - by
            session.execute(update(Clip).where(Clip.id == clip.id).values(state_since=then))

    def _consents(self, session: Any, clip_id: str, purposes: tuple[str, ...]) -> None:
        now = db_now(session)
        for purpose in purposes:
            text = session.scalar(
                select(ConsentText).where(ConsentText.purpose == purpose, ConsentText.lang == "fr")
            )
            if text is None:
                text = ConsentText(
                    purpose=purpose, lang="fr", version=1, body="J’accepte.", sha256="0" * 64, created_at=now
                )
                session.add(text)
                session.flush()
            session.add(
                Consent(clip_id=clip_id, text_id=text.id, purpose=purpose, given_at=now, given_via="site")
            )

    def _objects(self, film: Film, token: str | None) -> None:
        put = self.runtime.storage.put
        put(Bucket.ORIGINALS, film.key, b"x" * film.size_bytes, content_type="video/mp4")
        for one in _renditions(film):
            data = MADE_BYTES
            put(Bucket.ORIGINALS, one.key, data, content_type=one.content_type)
            if token is not None:
                put(Bucket.PUBLIC, keys.public(token, one.name), data, content_type=one.content_type)


def _values(state: State, now: datetime) -> dict[str, Any]:
    """A clip's columns as they are in this state."""
    values: dict[str, Any] = {
        **SAID,
        "state_since": now,
        "created_at": now - timedelta(hours=1),
        "version": 1,
    }
    if state in WITH_FILM:
        film_id = secrets.token_hex(16)
        values |= {"film_id": film_id, "cut_id": film_id, **MEASURED}
    if state in (State.PUBLISHED, State.REMOVED, State.EXPIRED, State.WITHDRAWN):
        values["published_at"] = now
    return values


def _film(session: Session, clip_id: str, film_id: str) -> Film:
    """A film and its one cut, of the same id."""
    now, which = db_now(session), {"id": film_id, "clip_id": clip_id, "number": 1}
    film = Film(
        **which, key=keys.original(clip_id, "f" * 32, at=now), size_bytes=1000, sha256="a" * 64,
        facts={"video_codec": "h264", "width": 640, "height": 360, "duration_seconds": 12.0},
        received_at=now, ready_at=now,
    )  # fmt: skip
    session.add(film)
    session.flush()
    cut = Cut(
        **which, film_id=film_id, state=CutState.ADOPTED, ladder_version=LADDER_VERSION, **MEASURED,
        loudness=-20.0, created_at=now, made_at=now,
    )  # fmt: skip
    session.add(cut)
    session.flush()
    return film


def _published(session: Session, film: Film) -> str:
    """The token under which all of it is public."""
    token, now = keys.new_public_token(), db_now(session)
    of = {"clip_id": film.clip_id, "film_id": film.id, "cut_id": film.id}
    session.add(Publication(**of, token=token, created_at=now, complete_at=now))
    return token


def _renditions(film: Film) -> list[Rendition]:
    of = {"clip_id": film.clip_id, "film_id": film.id, "cut_id": film.id}
    return [
        Rendition(
            **of, name=name, kind=kind, key=keys.made(film.clip_id, film.id, name), content_type=content_type,
            size_bytes=len(MADE_BYTES), sha256=MADE_SHA256, width=width, height=height,
        )
        for name, kind, content_type, width, height in MADE
    ]  # fmt: skip
