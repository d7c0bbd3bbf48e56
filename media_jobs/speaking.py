"""Captions by machine, on one claim: those that lie in the film, and what a model hears in it."""

from typing import Any

from babel.core import get_global

from media_jobs import cueing, probe, speech
from media_jobs.embedded import embedded_captions
from media_jobs.heartbeat import Heartbeat
from media_jobs.outline import Limits
from media_jobs.probe import Facts
from media_jobs.speech import Heard
from media_jobs.workshop import Workshop
from media_jobs.workspace import Workspace
from portal import captions as rules
from portal import leases, processing, webvtt
from portal.jobs import JobKind
from portal.leases import Claim
from portal.lifecycle import enqueue
from portal.models import Clip
from portal.webvtt import Cue


def jobs_after(shop: Workshop, facts: dict[str, Any]) -> tuple[JobKind, ...]:
    """What follows a film that has just been made: captions where a model listens or the film carries some."""
    if shop.runtime.settings.speech.model or facts.get("captions"):
        return (JobKind.SIGNALS, JobKind.CAPTIONS)
    return (JobKind.SIGNALS,)


def captions(shop: Workshop, claim: Claim, heartbeat: Heartbeat) -> None:
    """Find and hear what is said in a film, and keep it as far as no person has written there."""
    with shop.runtime.read() as session:
        film = processing.film_of(session, claim)
        key, kept = film.key, film.facts
        declared = session.get_one(Clip, claim.clip_id).speech_lang
    with Workspace(shop.runtime.storage, shop.runtime.settings.media.scratch, claim) as space:
        heartbeat.note(0.0, "fetch")
        space.fetch(key)
        heartbeat.check()
        facts = _facts(shop, space, kept)
        heartbeat.note(0.05, "listen")
        found = _found(shop, space, facts, heartbeat)
        heard = _heard(shop, space, facts, declared, heartbeat)
    _keep(shop, claim, found, heard, facts.duration_seconds)


def _facts(shop: Workshop, space: Workspace, kept: dict[str, Any]) -> Facts:
    try:
        return Facts.from_json(kept)
    except TypeError:
        # Measured by an older version, that knew less.
        longest = float(shop.runtime.settings.uploads.max_seconds)
        limits = Limits(max_seconds=longest, keeps_beginning=True)
        return probe.inspect(shop.tools, space.original, limits)


def _found(
    shop: Workshop, space: Workspace, facts: Facts, heartbeat: Heartbeat
) -> list[tuple[str, list[Cue]]]:
    """The captions inside the film by language ("" where it names none), read leniently: nobody can mend them."""
    tracks = embedded_captions(shop.tools, space.original, facts, space.folder, heartbeat.must_stop)
    return [
        (_short(one.language), webvtt.parse(one.text, seconds=facts.duration_seconds, is_lenient=True))
        for one in tracks
    ]


def _short(language: str) -> str:
    """A language's two letters for the three that films use; empty for none."""
    word = language.lower().partition("-")[0]
    short = str(get_global("language_aliases").get(word, word))
    return "" if short in ("und", "mul", "zxx", "mis") else short


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


def _keep(
    shop: Workshop, claim: Claim, found: list[tuple[str, list[Cue]]], heard: Heard | None, seconds: float
) -> None:
    with shop.runtime.work() as session:
        if not leases.done(session, claim):
            return
        film = processing.film_of(session, claim)
        clip = session.get_one(Clip, claim.clip_id)
        for lang, cues in found:
            if known := lang or clip.speech_lang:
                rules.from_machine(session, film, known[:8], rules.EMBEDDED, cues)
        if heard is None:
            return
        if heard.lang is not None:
            told = cueing.cues(heard.words, seconds)
            rules.from_machine(session, film, heard.lang, rules.SPEECH, told, heard.words)
        if heard.heard_lang is not None and rules.heard(session, film, heard.heard_lang, heard.probability):
            # Another language than was declared: somebody should look at it.
            enqueue(session, clip, JobKind.SIGNALS, film_id=film.id)
