"""What pages and the API tell of a clip's cuts: versions in words, players by private addresses, the form's rows.

Shows only; whoever calls has decided who may look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import captions, cuts, edit_words, editing, reasons
from portal.editing import Version
from portal.edits import EditList
from portal.errors import Code
from portal.i18n import gettext as _
from portal.models import Clip, CutState, Film, Rendition
from portal.web.db import runtime
from portal.web.playback import Playback, preview_of, tracks_of

EMPTY_ROWS: Final = 3
"""Rows that wait to be filled in, behind those in use."""

TrackUrl = Callable[[int, str], str]
"""The address of the captions in one language as the cut of this number shows them."""

BOX = ("left", "top", "width", "height")


@dataclass(frozen=True, slots=True)
class Shown:
    """One version for a page: what is different, how it stands, and its player when it can be watched."""

    version: Version
    changes: list[str]
    state: str
    fault: str
    player: Playback | None

    @property
    def number(self) -> int:
        """The version's number."""
        return self.version.cut.number


@dataclass(frozen=True, slots=True)
class Panel:
    """All there is to say of a clip's cuts: the one that counts, the one that waits, all of them, the form's values."""

    current: Shown | None
    waiting: Shown | None
    versions: list[Shown]
    film_seconds: float
    may_propose: bool
    rows: list[dict[str, str]]
    start: str
    end: str
    # The ends that are missing were cut off by the owner, before the film was sent.
    is_owners: bool = False

    @property
    def kept(self) -> list[list[float]]:
        """The passages of the film that the player above shows, in seconds: so an instant of it can be put back."""
        edits = self.current.version.edits if self.current is not None else EditList()
        return [[round(one.start, 3), round(one.end, 3)] for one in edits.kept(self.film_seconds)]


def of(
    session: Session, clip: Clip, *, track_url: TrackUrl | None = None, values: dict[str, Any] | None = None
) -> Panel:
    """The panel of a clip; `values` are the form's rows, start and end as they were sent.

    Players have captions where `track_url` says how these are reached.
    """
    film = session.get(Film, clip.film_id) if clip.film_id is not None else None
    shown = [_shown(session, clip, one, track_url) for one in editing.versions(session, clip)]
    current = next((one for one in shown if one.version.is_current), None)
    waiting = next((one for one in shown if one.version.is_waiting and not one.version.is_current), None)
    # Whoever goes on editing goes on from what was asked for last.
    source = waiting or current
    edits = source.version.edits if source is not None else EditList()
    written = values or {
        "rows": rows_of(edits),
        "start": edit_words.instant(edits.start) if edits.start is not None else "",
        "end": edit_words.instant(edits.end) if edits.end is not None else "",
    }
    return Panel(
        current=current,
        waiting=waiting,
        versions=shown,
        film_seconds=editing.length_of(film, clip) if film is not None else 0.0,
        may_propose=film is not None and film.erased_at is None and clip.state in cuts.SHOWN_AS_FILM,
        rows=[*written["rows"], *({} for _row in range(EMPTY_ROWS))],
        start=written["start"],
        end=written["end"],
        is_owners=_is_owners(film, current),
    )


def _is_owners(film: Film | None, current: Shown | None) -> bool:
    if film is None or current is None or current.version.edits.is_empty:
        return False
    return bool(film.edits) and current.version.edits == cuts.sent_with(film)


def _shown(session: Session, clip: Clip, version: Version, track_url: TrackUrl | None) -> Shown:
    cut = version.cut
    # The one that counts has its player above.
    player = player_of(session, clip, version) if cut.state == CutState.MADE else None
    if player is not None and track_url is not None:
        told = captions.shown(session, clip, cut)
        tracks = [(one.lang, track_url(cut.number, one.lang), one.is_automatic) for one in told]
        player = replace(player, tracks=tracks_of(tracks, clip.speech_lang))
    return Shown(
        version=version,
        changes=edit_words.changes(version.edits),
        state=state_word(version),
        fault=reasons.sentence(Code(cut.error_code)) if cut.error_code in set(Code) else "",
        player=player,
    )


def player_of(session: Session, clip: Clip, version: Version) -> Playback | None:
    """The player of one cut, by private addresses; None where it has no files."""
    player = preview_of(runtime().storage, renditions_of(session, version), clip)
    return replace(player, seconds=version.cut.seconds or 0.0) if player is not None else None


def renditions_of(session: Session, version: Version) -> Sequence[Rendition]:
    """The files of one cut."""
    made = select(Rendition).where(Rendition.cut_id == version.cut.id).order_by(Rendition.id)
    return session.scalars(made).all()


def state_word(version: Version) -> str:
    """How a version stands, in a few words."""
    cut = version.cut
    if version.is_current:
        return _("celle qui compte")
    if cut.state == CutState.MAKING:
        return _("en préparation, %(percent)s %%", percent=version.percent or 0)
    if cut.state == CutState.MADE:
        return _("prête, à regarder")
    if cut.state == CutState.FAILED:
        return _("échec de la préparation")
    return _("ancienne")


def rows_of(edits: EditList) -> list[dict[str, str]]:
    """The list as rows of the form: kind, from, to, and a blur's box in percent."""
    passages = [("cut", one) for one in edits.cuts] + [("mute", one) for one in edits.mutes]
    rows = [_row(kind, one.start, one.end) for kind, one in passages]
    return rows + [
        _row("blur", one.start, one.end) | {side: f"{round(100 * getattr(one, side), 1):g}" for side in BOX}
        for one in edits.blurs
    ]


def _row(kind: str, start: float, end: float) -> dict[str, str]:
    return {"kind": kind, "from": edit_words.instant(start), "to": edit_words.instant(end)}
