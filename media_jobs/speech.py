"""Sound to words by faster-whisper, where it is installed and a model is named. Knows no clip and asks no network.

The sound is decoded by our own ffmpeg: the library's own way into files is never used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from config import SpeechSettings
from media_jobs import sound
from media_jobs.ffmpeg import Tools, compose, output, run, source
from media_jobs.probe import Facts
from portal.captions import Word
from portal.errors import Code, Unavailable
from portal.workers import OFF, READY

RATE: Final = 16_000
SURE: Final = 0.9
"""From here on what is heard counts for more than what was declared."""

PIECE_SECONDS: Final = 600
"""Bounds the memory of a long film: 38 MB of samples at a time."""

NOBODY_SPOKE: Final = 0.9
_LIBRARY: Final = "faster_whisper"
_NOT_INSTALLED: Final = "requirements-speech.txt is not installed"
# The tokenizer lies beside the model: without it the library would look for one on the network.
_PARTS: Final = ("model.bin", "tokenizer.json", "config.json")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said: words in film time, the language they were written in (None: the model knows none of it).

    `heard_lang` is the language that was recognised and how sure that is; None for a model of one language.
    """

    lang: str | None = None
    words: list[Word] = field(default_factory=list)
    heard_lang: str | None = None
    probability: float = 0.0


def hearing(speech: SpeechSettings) -> str:
    """Whether captions can be written here: OFF without a model, READY, or what is wrong; looks, loads no model."""
    if not speech.model:
        return OFF
    if find_spec(_LIBRARY) is None:
        return _NOT_INSTALLED
    try:
        _folder(speech)
    except Unavailable as trouble:
        lacking = f"lacks {trouble.facts['missing']}" if "missing" in trouble.facts else "cannot be found"
        return f"the model {speech.model} {lacking}"
    return READY


def sound_of(tools: Tools, original: Path, facts: Facts, folder: Path, cancelled: Callable[[], bool]) -> Path:
    """The film's sound in film time as bare 16-bit samples, 16 kHz, one channel. Raises as `ffmpeg.run` does."""
    path = folder / "speech.raw"
    film = source(original.resolve(), facts.container)[str(facts.audio_index)]
    chain = sound.filters(None, facts.duration_seconds, facts.lead_seconds)
    words = {"f": "s16le", "acodec": "pcm_s16le", "ar": RATE, "ac": 1, "af": chain}
    raw = output([film], path.name, **words)
    wall = 60 + facts.duration_seconds
    run(tools, compose([raw]), folder=folder, wall_seconds=wall, cancelled=cancelled)
    return path


def listen(speech: SpeechSettings, raw: Path, declared: str | None, tell: Callable[[float], None]) -> Heard:
    """What is said in the samples; `tell` hears seconds of the film and may raise to end the work.

    Written in the language that was declared, unless another one is heard for sure, or none was declared. Raises
    Unavailable(OURS_SPEECH) when the library or the model is missing or breaks.
    """
    ear = _ear(speech)
    lang, heard, probability = None, None, 0.0
    words: list[Word] = []
    for offset, samples in _pieces(raw):
        tell(offset)
        spoken = ear.spoken(samples)
        if not spoken:
            continue
        if lang is None:
            heard, probability = ear.language(samples, spoken)
            lang = ear.choice(declared, heard, probability)
        if lang is None:
            break
        for heard_from, heard_until, word in ear.words(samples, lang):
            start, end = _within(heard_from, heard_until, spoken)
            words.append((round(offset + start, 3), round(offset + end, 3), word))
            tell(offset + end)
    return Heard(lang, words, heard, round(probability, 3))


def _within(start: float, end: float, spoken: list[dict[str, int]]) -> tuple[float, float]:
    """A word's times without the silence before and after speech, of which the model hears some as its first word."""
    for one in spoken:
        begins, ends = one["start"] / RATE, one["end"] / RATE
        if start < begins < end:
            start = begins
        if start < ends < end:
            end = ends
    return start, max(start, end)


def _pieces(raw: Path) -> Iterator[tuple[float, Any]]:
    """Where each piece begins, and its samples as numbers from -1 to 1."""
    numpy = import_module("numpy")
    size, step = raw.stat().st_size // 2, PIECE_SECONDS * RATE
    for at in range(0, size, step):
        with raw.open("rb") as file:
            file.seek(2 * at)
            data = file.read(2 * min(step, size - at))
        yield at / RATE, numpy.frombuffer(data, dtype="<i2").astype("float32") / 32768.0


@dataclass(frozen=True, slots=True)
class _Ear:
    """One loaded model; the only place that speaks to the library."""

    model: Any
    vad: Any

    def spoken(self, samples: Any) -> list[dict[str, int]]:
        """Where somebody speaks, as places in the samples."""
        options = self.vad.VadOptions(speech_pad_ms=0, min_silence_duration_ms=400)
        found: list[dict[str, int]] = self.vad.get_speech_timestamps(samples, options)
        return found

    def language(self, samples: Any, spoken: list[dict[str, int]]) -> tuple[str | None, float]:
        """The language of the first half minute of speech; None for a model that knows but one."""
        if not self.model.model.is_multilingual:
            return None, 0.0
        numpy = import_module("numpy")
        speech = numpy.concatenate([samples[one["start"] : one["end"]] for one in spoken])
        lang, probability, _all = self.model.detect_language(audio=speech[: 30 * RATE])
        return str(lang), float(probability)

    def choice(self, declared: str | None, heard: str | None, probability: float) -> str | None:
        """The language to write in; None when the model does not know the declared one."""
        if heard is not None and (probability >= SURE or not declared):
            return heard
        known = set(self.model.supported_languages)
        return declared if declared in known else None

    def words(self, samples: Any, lang: str) -> Iterator[Word]:
        """Every word with its start and end in seconds of the samples."""
        segments, _info = self.model.transcribe(
            samples,
            language=lang,
            task="transcribe",
            vad_filter=True,
            word_timestamps=True,
            # What was made up once would be made up again and again.
            condition_on_previous_text=False,
        )
        for segment in segments:
            if segment.no_speech_prob > NOBODY_SPOKE:
                continue
            for word in segment.words or ():
                yield float(word.start), float(word.end), str(word.word)


def _folder(speech: SpeechSettings) -> Path:
    """Where the model lies, by its path or its name in the library's own store; raises Unavailable when it is not whole."""
    folder = Path(speech.model)
    if not folder.is_dir():
        try:
            named = import_module(_LIBRARY).download_model(speech.model, local_files_only=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise Unavailable(Code.OURS_SPEECH, model=speech.model, reason=str(error)) from error
        folder = Path(named)
    missing = [name for name in _PARTS if not (folder / name).is_file()]
    if missing:
        raise Unavailable(Code.OURS_SPEECH, model=str(folder), missing=", ".join(missing))
    return folder


@cache
def _ear(speech: SpeechSettings) -> _Ear:
    """The model, loaded once in this process; small numbers on a processor, to spare its memory."""
    try:
        whisper = import_module(_LIBRARY)
    except ImportError as error:
        raise Unavailable(Code.OURS_SPEECH, reason=_NOT_INSTALLED) from error
    folder = _folder(speech)
    kind = "int8" if speech.device == "cpu" else "auto"
    try:
        model = whisper.WhisperModel(
            str(folder),
            device=speech.device,
            compute_type=kind,
            cpu_threads=speech.threads,
            local_files_only=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise Unavailable(Code.OURS_SPEECH, model=speech.model, reason=str(error)) from error
    return _Ear(model, import_module("faster_whisper.vad"))
