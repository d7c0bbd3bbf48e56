"""Fills an empty portal with the fictional brand's clips, each through the real pipeline: `python -m ops.demo`.

Goes on where it was interrupted, does nothing when it has been done, never touches a portal that somebody uses.
"""

import json
import logging
import os
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings, SettingsError
from media_jobs.ffmpeg import Tools
from ops import demo_films
from ops.demo_clips import (
    ASK,
    CAMPAIGN,
    CAMPAIGN_TEXTS,
    CLIPS,
    LEAVE,
    PLATE_SECONDS,
    PLATE_WORDS,
    THEMES,
    DemoClip,
)
from portal import campaigns, carrier, consent, people, review, submission, themes
from portal.cli import environment
from portal.database import db_now
from portal.errors import Code, Conflict, PortalError, Unavailable
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import CampaignText, Clip, Role, State
from portal.runtime import Runtime, build_runtime

KEPT = "demo.json"
MODERATOR = "moderation@solene.example"
BY = Actor(ActorKind.ADMIN)
# Where a film is still to be sent, and where the worker still has it.
UNSENT = (State.DRAFT, State.UPLOADING)
# A worker that brings nothing to an end for so long is not there; the next start goes on.
PATIENCE_SECONDS = 900.0
PAUSE_SECONDS = 1.0


class Demo:
    """One filling of one portal; remembers in DATA_DIR which clip is whose."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.path: Path = runtime.settings.site.data_dir / KEPT
        self.kept: dict[str, str] = json.loads(self.path.read_text("utf-8")) if self.path.is_file() else {}
        media = runtime.settings.media
        # One thread: the worker is to have the machine.
        self.tools = Tools.found(media.ffmpeg or None, media.ffprobe or None, 1)
        self.moderator = Actor(ActorKind.MODERATOR)

    def fill(self) -> bool:
        """Everything to its end; whether there was anything to do. Raises PortalError."""
        if self.kept.get("state") == "filled" or not self.is_welcome():
            return False
        self.keep("state", "filling")
        self.prepare()
        for number, clip in enumerate(CLIPS):
            self.hand_in(clip, number)
            self.tend()
        until = time.monotonic() + PATIENCE_SECONDS
        waiting = self.tend()
        while waiting and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)
            if (left := self.tend()) < waiting:
                waiting, until = left, time.monotonic() + PATIENCE_SECONDS
        if waiting:
            raise Unavailable(Code.OURS_TIMEOUT)
        self.keep("state", "filled")
        return True

    def is_welcome(self) -> bool:
        """Whether the portal is empty, or we have begun to fill it."""
        if self.kept:
            return True
        with self.runtime.read() as session:
            return not campaigns.every(session) and session.scalar(select(Clip.id).limit(1)) is None

    def keep(self, name: str, value: str) -> None:
        """Remember, so that a crash leaves the old file or the new one."""
        self.kept[name] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.kept, indent=2), "utf-8")
        part.replace(self.path)

    def prepare(self) -> None:
        """Campaign, themes and a moderator, where they are not there yet."""
        site = self.runtime.settings.site
        with self.runtime.work() as session:
            _campaign(session, site.languages)
            known = {theme.slug for theme in themes.every(session)}
            for slug, names in THEMES.items():
                if slug not in known:
                    spoken = {lang: names[lang] for lang in names if lang in site.languages}
                    themes.add(session, slug, spoken or {site.default_language: names["en"]}, by=BY)
            moderator = next((one for one in people.staff(session) if one.email == MODERATOR), None)
            if moderator is None:
                moderator = people.add_staff(
                    session, MODERATOR, role=Role.MODERATOR, name="Camille (démo)", password=None,
                    lang=site.default_language, by=BY,
                )  # fmt: skip
            self.moderator = people.actor_of(moderator)

    def hand_in(self, wanted: DemoClip, number: int) -> None:
        """Begin, film and send one clip as its owner would, unless that has been done."""
        clip = self.clip_of(wanted)
        if clip is not None and clip.state not in UNSENT:
            return
        clip_id = clip.id if clip is not None else self.begin(wanted, number)
        with tempfile.TemporaryDirectory(dir=self.workshop()) as folder:
            film = demo_films.make(
                self.tools, wanted.scene, wanted.size, wanted.seconds,
                seed=number + 1, notes=wanted.notes, folder=Path(folder).resolve(),
            )  # fmt: skip
            carrier.carry(self.runtime, clip_id, film, by=OWNER)

    def workshop(self) -> Path:
        """Where films are painted; not the worker's scratch folder, which the worker sweeps."""
        folder = self.runtime.settings.site.data_dir / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clip_of(self, wanted: DemoClip) -> Clip | None:
        """The clip that was begun for this owner."""
        with self.runtime.read() as session:
            return session.get(Clip, self.kept.get(wanted.name, ""))

    def begin(self, wanted: DemoClip, number: int) -> str:
        """A draft with all its words and consents; its id."""
        site = self.runtime.settings.site
        with self.runtime.work() as session:
            texts = submission.Texts(
                email=wanted.email,
                first_name=wanted.name,
                title=wanted.title,
                themes=list(wanted.themes),
                speech_lang=wanted.lang,
                city=wanted.city,
                product=wanted.product,
                owned_since=wanted.owned_since,
                filmed_on=_filmed_on(session, number),
                music="own",
            )
            clip, _token = submission.begin(
                session,
                campaigns.by_slug(session, CAMPAIGN),
                lang=wanted.lang if wanted.lang in site.languages else site.default_language,
                texts=texts,
                consents={*consent.REQUIRED, "contact"},
                channel="demo",
                by=OWNER,
                site=site,
            )
        self.keep(wanted.name, clip.id)
        return clip.id

    def tend(self) -> int:
        """Decide on what has come to review; how many clips are still on their way."""
        waiting = 0
        for wanted in CLIPS:
            clip = self.clip_of(wanted)
            if clip is None:
                continue
            if clip.state == State.IN_REVIEW and wanted.end != LEAVE:
                self.decide(clip, wanted)
            waiting += clip.state in (*UNSENT, State.PROCESSING, State.APPROVED) or (
                clip.state == State.IN_REVIEW and wanted.end != LEAVE
            )
        return waiting

    def decide(self, clip: Clip, wanted: DemoClip) -> None:
        """The moderator's act; a real moderator who was faster is right."""
        try:
            with self.runtime.work() as session:
                mine = review.clip_by_id(session, clip.id)
                if wanted.end == ASK:
                    asked = [review.GivenReason("plate", PLATE_SECONDS, PLATE_WORDS)]
                    review.request_changes(
                        session, mine, asked, by=self.moderator, seen_version=clip.version, delay=0.0
                    )
                else:
                    review.approve(session, mine, by=self.moderator, seen_version=clip.version, delay=0.0)
        except Conflict:
            return


def _campaign(session: Session, languages: tuple[str, ...]) -> None:
    if any(one.slug == CAMPAIGN for one in campaigns.every(session)):
        return
    spoken = [lang for lang in languages if lang in CAMPAIGN_TEXTS] or ["en"]
    title, question, in_return = CAMPAIGN_TEXTS[spoken[0]]
    made = campaigns.add(
        session, CAMPAIGN, title=title, lang=spoken[0], question=question, in_return=in_return
    )
    for lang in spoken[1:]:
        title, question, in_return = CAMPAIGN_TEXTS[lang]
        words = CampaignText(
            campaign_id=made.id, lang=lang, title=title, question=question, in_return=in_return
        )
        session.add(words)


def _filmed_on(session: Session, number: int) -> date:
    return db_now(session).date() - timedelta(days=9 + 11 * number)


def main() -> int:
    """Fill the portal that the environment names; the exit status."""
    logging.basicConfig(level=logging.WARNING)
    try:
        demo = Demo(build_runtime(Settings.from_env(environment(os.environ))))
        if demo.fill():
            print("The demo's clips are in the gallery; two wait in the studio.")
    except SettingsError as wrong:
        print(*wrong.faults, sep="\n", file=sys.stderr)
        return 2
    except PortalError as error:
        print(f"The demo stopped ({error.code}); the next start goes on.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
