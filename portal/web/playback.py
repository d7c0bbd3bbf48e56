"""What a player is told: the addresses of one clip's films and pictures, public or privately signed.

Knows no page; never decides who may look.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import url_for

from portal.cards import Presentation, PublicClip, shape_of
from portal.errors import Code, Missing
from portal.i18n import current_language, own_name
from portal.i18n import gettext as _
from portal.models import Clip, Film, Rendition
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
    # The first picture of a film whose ladder is not made yet.
    is_first: bool = False
    # Where to begin, in seconds.
    at: float = 0.0

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

    def caption_url(clip_id: str, tr: str) -> str:
        path = url_for("captions.published", lang=lang, clip_id=clip_id, tr=tr, form="vtt")
        return f"{machines.settings.site.url}{path}" if is_absolute else path

    return Presentation(
        machines.storage.public_url, clip_url, lang, machines.settings.site.default_language, caption_url
    )


def tracks_of(told: Iterable[tuple[str, str, bool]], speech_lang: str) -> tuple[Track, ...]:
    """Caption tracks from (language, address, whether no person has seen to them): the reader's language first.

    One is on by default for readers whose language is not the one that is spoken.
    """
    reader = current_language()
    order = sorted(told, key=lambda one: (one[0] != reader, one[0] != speech_lang, one[0]))
    return tuple(
        Track(url, lang, caption_label(lang, is_automatic=is_automatic), place == 0 and speech_lang != reader)
        for place, (lang, url, is_automatic) in enumerate(order)
    )


def caption_label(lang: str, *, is_automatic: bool) -> str:
    """A language in its own name, and whether only a machine has seen to it."""
    return _("%(language)s (automatique)", language=own_name(lang)) if is_automatic else own_name(lang)


def public_playback(clip: PublicClip, *, at: float = 0.0) -> Playback:
    """The player of a published clip, beginning at a second of it; HLS only where it helps, from a minute on."""
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
        tracks=tracks_of(
            [(one["lang"], one["url"], one["automatic"]) for one in clip.captions], clip.speech_lang
        ),
        hls=clip.hls_url if clip.seconds > HLS_FROM_SECONDS else None,
        storyboard=clip.storyboard_url,
        at=at,
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


def first_playable(storage: Storage, film: Film | None, playlist: str, clip: Clip) -> Playback | None:
    """The player of a film whose ladder is still being made; None before its first piece is stored.

    `playlist` is the address under which `preview_playlist` answers.
    """
    if film is None or film.erased_at is not None or not film.preview.get("files"):
        return None
    told = film.preview
    width, height = int(told.get("width") or 16), int(told.get("height") or 9)
    sources: tuple[Source, ...] = ()
    if told["kind"] == "mp4":
        file = told["files"][0]
        url = storage.sign_get(file["key"], ttl=PREVIEW_SECONDS, content_type="video/mp4")
        sources = (Source(url, height, int(file.get("bytes") or 0), _label(width, height)),)
    return Playback(
        title=clip.title,
        seconds=float(told.get("seconds") or 0.0),
        width=width,
        height=height,
        poster=None,
        sources=sources,
        hls=None if sources else playlist,
        is_first=True,
    )


def preview_playlist(storage: Storage, film: Film | None) -> str:
    """The playlist of a preview as far as it is stored, every address signed; raises Missing when there is none.

    It grows while the film is made: a player asks for it again and again until it says that it is whole.
    """
    told = film.preview if film is not None and film.erased_at is None else {}
    if told.get("kind") != "hls" or not told.get("files"):
        raise Missing(Code.MISSING)
    pieces = [file for file in told["files"] if "seconds" in file]
    first = next(file for file in told["files"] if "seconds" not in file)

    def signed(file: dict[str, Any]) -> str:
        return storage.sign_get(file["key"], ttl=PREVIEW_SECONDS, content_type="video/mp4")

    longest = max([2, *(round(file["seconds"]) for file in pieces)])
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{longest}", "#EXT-X-MEDIA-SEQUENCE:0"]
    # From the start, although more is to come: players begin near the end of what still grows.
    lines += ["#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START:TIME-OFFSET=0"]
    lines.append(f'#EXT-X-MAP:URI="{signed(first)}"')
    for file in pieces:
        lines += [f"#EXTINF:{file['seconds']:.6f},", signed(file)]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if told.get("complete") else []), ""])


def _label(width: int, height: int) -> str:
    """A film's size as people know it, whichever way it stands: 720p."""
    return f"{min(width, height) or height}p"
