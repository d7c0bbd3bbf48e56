"""What a player is told: the addresses of one clip's films and pictures, public or privately signed.

Knows no page; never decides who may look.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import url_for

from portal.cards import Presentation, PublicClip, shape_of
from portal.i18n import own_name
from portal.models import Clip, Rendition
from portal.storage import Storage
from portal.web.db import runtime

HLS_FROM_SECONDS = 60.0
PREVIEW_SECONDS = 2 * 3600


@dataclass(frozen=True, slots=True)
class Source:
    """One plain MP4: address, height in pixels, size in bytes, and the word people choose it by."""

    url: str
    height: int
    bytes: int
    label: str


@dataclass(frozen=True, slots=True)
class Track:
    """Captions in one language."""

    url: str
    lang: str
    label: str
    default: bool


@dataclass(frozen=True, slots=True)
class Playback:
    """Everything the player's markup needs; `sources` with the lowest first."""

    title: str
    seconds: float
    width: int
    height: int
    poster: str | None
    sources: tuple[Source, ...]
    tracks: tuple[Track, ...] = ()
    hls: str | None = None
    storyboard: str | None = None

    @property
    def shape(self) -> str:
        """Landscape, portrait or nearly square: l, p, s."""
        return shape_of(self.width, self.height)


def presentation(lang: str, *, is_absolute: bool = False) -> Presentation:
    """How the rules are to address clips and files for a reader of this language."""
    machines = runtime()

    def clip_url(clip_id: str, slug: str) -> str:
        path = url_for("gallery.clip", lang=lang, clip_id=clip_id, slug=slug)
        return f"{machines.settings.site.url}{path}" if is_absolute else path

    return Presentation(machines.storage.public_url, clip_url, lang, machines.settings.site.default_language)


def public_playback(clip: PublicClip) -> Playback:
    """The player of a published clip; HLS only where it helps, from a minute on."""
    posters = clip.posters or {}
    pictures = posters.get("webp") or posters.get("avif") or []
    return Playback(
        title=clip.title,
        seconds=clip.seconds,
        width=clip.width,
        height=clip.height,
        poster=pictures[-1][1] if pictures else None,
        sources=tuple(
            Source(file.url, file.height, file.bytes, _label(file.width, file.height)) for file in clip.mp4
        ),
        tracks=tuple(
            Track(
                caption["url"],
                caption["lang"],
                own_name(caption["lang"]),
                caption["lang"] == clip.speech_lang,
            )
            for caption in clip.captions
        ),
        hls=clip.hls_url if clip.seconds > HLS_FROM_SECONDS else None,
        storyboard=clip.storyboard_url,
    )


def preview_of(
    storage: Storage, renditions: Iterable[Rendition], clip: Clip | None = None
) -> Playback | None:
    """The player of a clip that is not public: plain MP4s by addresses that read for two hours; None without film."""
    files = list(renditions)
    films = sorted((file for file in files if file.kind == "mp4"), key=lambda file: file.height or 0)
    if not films:
        return None
    pictures = [file for file in files if file.kind == "poster" and file.name.endswith(".webp")]
    picture = max(pictures, key=lambda file: file.width or 0, default=None)
    tiles = next((file for file in files if file.kind == "storyboard"), None)

    def signed(file: Rendition | None) -> str | None:
        return (
            storage.sign_get(file.key, ttl=PREVIEW_SECONDS, content_type=file.content_type) if file else None
        )

    return Playback(
        title=clip.title if clip else "",
        seconds=(clip.seconds or 0.0) if clip else 0.0,
        width=films[-1].width or 16,
        height=films[-1].height or 9,
        poster=signed(picture),
        sources=tuple(
            Source(
                signed(file) or "",
                file.height or 0,
                file.size_bytes,
                _label(file.width or 0, file.height or 0),
            )
            for file in films
        ),
        storyboard=signed(tiles),
    )


def _label(width: int, height: int) -> str:
    """A film's size as people know it, whichever way it stands: 720p."""
    return f"{min(width, height) or height}p"
