"""Captions by machine, on one claim: those that lie in the film, and what a model hears in it."""

from dataclasses import dataclass
from typing import Any

from babel.core import get_global

from media_jobs import cueing, probe, speech
from media_jobs.embedded import embedded_captions
from media_jobs.heartbeat import Heartbeat
from media_jobs.outline import TAKEN
from media_jobs.probe import Facts
from media_jobs.speech import Heard
from media_jobs.telemetry import without_telemetry
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import captions as rules
from portal import cuts, leases, processing, webvtt
from portal.edits import EditList, Passage
from portal.errors import Code, Unavailable
from portal.jobs import JobKind
from portal.leases import Claim
from portal.lifecycle import enqueue
from portal.models import Clip
from portal.webvtt import Cue

_HARDLY = 0.3
"""Seconds of a cue that an owner's cut may take away without a word of it being lost."""


def jobs_after(shop: Workshop, facts: dict[str, Any]) -> tuple[JobKind, ...]:
    """What follows a film that has just been made: captions where a model listens or the film carries some."""
    if shop.runtime.settings.speech.model or facts.get("captions"):
        return (JobKind.SIGNALS, JobKind.CAPTIONS)
    return (JobKind.SIGNALS,)


def captions(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Find and hear what is said in a film, and keep it as far as no person has written there."""
    with shop.runtime.read() as session:
        film = processing.film_of(session, claim)
        key, known, kept, ends = film.key, film.sha256, film.facts, cuts.sent_with(film)
        declared = session.get_one(Clip, claim.clip_id).speech_lang
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.0, "fetch")
        sha256 = space.fetch(key)
        if known not in (None, sha256):
            # Nobody has seen the film whose words these would be.
            raise Unavailable(Code.OURS_STORAGE, expected=known, found=sha256)
        heartbeat.check()
        facts = _facts(shop, space, kept)
        heartbeat.note(0.05, "listen")
        found = _found(shop, space, facts, heartbeat)
        heard = _heard(shop, space, facts, declared, heartbeat)
    said = _Said(ends, facts.duration_seconds, found, heard)
    _keep(shop, claim, said)


@dataclass(frozen=True, slots=True)
class _Said:
    """What was found and heard in a film of `seconds`; what its owner cut off its `ends` before sending it is nobody's."""

    ends: EditList
    seconds: float
    found: list[tuple[str, list[Cue]]]
    heard: Heard | None

    def is_sent(self, start: float, end: float) -> bool:
        """Whether next to nothing between these instants was cut off."""
        if self.ends.is_empty:
            return True
        whole = Passage(start, max(end, start + 0.01))
        kept = sum(one.seconds for one in self.ends.shown(whole, self.seconds))
        return whole.seconds - kept <= min(_HARDLY, whole.seconds / 5)


def _facts(shop: Workshop, space: Workspace, kept: dict[str, Any]) -> Facts:
    try:
        return Facts.from_json(kept)
    except TypeError:
        # Measured by an older version, that knew less.
        return probe.inspect(shop.tools, space.original, TAKEN)


def _found(
    shop: Workshop, space: Workspace, facts: Facts, heartbeat: Heartbeat
) -> list[tuple[str, list[Cue]]]:
    """The captions inside the film by language ("" where it names none), read leniently: nobody can mend them.

    What a camera writes about itself and where it is, once a second, is none.
    """
    tracks = embedded_captions(shop.tools, space.original, facts, space.folder, heartbeat.must_stop)
    read = (
        (_short(one.language), webvtt.parse(one.text, seconds=facts.duration_seconds, is_lenient=True))
        for one in tracks
    )
    return [(language, without_telemetry(cues)) for language, cues in read]


def _short(language: str) -> str:
    """A language's two letters for the three that films use; empty for none, or what is no language."""
    word = language.lower().partition("-")[0]
    short = str(get_global("language_aliases").get(word, word))
    return short if rules.is_language(short) else ""


def _heard(
    shop: Workshop, space: Workspace, facts: Facts, declared: str, heartbeat: Heartbeat
) -> Heard | None:
    settings = shop.runtime.settings.speech
    if not settings.model or facts.audio_index is None:
        return None
    raw = speech.sound_of(shop.tools, space.original, facts, space.folder, heartbeat.must_stop)

    def tell(at: float) -> None:
        heartbeat.note(0.1 + 0.85 * min(1.0, at / facts.duration_seconds), "listen")
        heartbeat.check()

    return speech.listen(settings, raw, declared or None, tell)


def _keep(shop: Workshop, claim: Claim, said: _Said) -> None:
    heard = said.heard
    with shop.runtime.work() as session:
        if not leases.done(session, claim):
            return
        film = processing.film_of(session, claim)
        clip = session.get_one(Clip, claim.clip_id)
        for lang, cues in said.found:
            if known := lang or clip.speech_lang:
                sent = [cue for cue in cues if said.is_sent(cue.start, cue.end)]
                rules.from_machine(session, film, known, rules.EMBEDDED, sent)
        if heard is None:
            return
        if heard.lang is not None:
            words = [word for word in heard.words if said.is_sent(word[0], word[1])]
            told = cueing.cues(words, said.seconds)
            rules.from_machine(session, film, heard.lang, rules.SPEECH, told, words)
        if heard.heard_lang is not None and rules.heard(session, film, heard.heard_lang, heard.probability):
            # Another language than was declared: somebody should look at it.
            enqueue(session, clip, JobKind.SIGNALS, film_id=film.id)
