"""Captions and transcript on pages: the tracks as files, the words of a clip's page, the plain forms that change them.

Shows and parses; what may be changed, and what a cut shows, is in portal/captions.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from babel import Locale
from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal import captions, cuts, editing, gallery, reasons, review, submission, webvtt
from portal.captions import OWNERS, STAFFS, Shown
from portal.errors import Code, Conflict, Missing, PortalError, Unacceptable
from portal.i18n import current_language, own_name
from portal.i18n import gettext as _
from portal.lifecycle import OWNER, Actor
from portal.models import Caption, Clip, State
from portal.submission import SPEECH_LANGUAGES
from portal.web.caption_changes import Standing, standing
from portal.web.db import reading, writing
from portal.web.people import actor, guard_reviewers
from portal.web.playback import Playback, caption_label, tracks_of

bp = Blueprint("captions", __name__)
studio = Blueprint("captions_studio", __name__)
studio.before_request(guard_reviewers)

MOST_BODY: Final = 3 * webvtt.MOST_BYTES
"""A form writes a text larger than it is."""

_TYPES: Final = {"vtt": "text/vtt; charset=utf-8", "txt": "text/plain; charset=utf-8"}
Url = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said, for reading: lines with their seconds, other languages with their addresses."""

    lang: str
    name: str
    is_automatic: bool
    lines: tuple[tuple[float, str], ...]
    others: tuple[tuple[str, str, str], ...]
    vtt_url: str
    txt_url: str

    @property
    def text(self) -> str:
        """All of it, for machines."""
        return " ".join(words for _at, words in self.lines)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the form with a field for each: its times as they were typed (seconds), what is said."""

    start: str
    end: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in words, and the id of the field where it is mended."""

    words: str
    at: str


@dataclass(slots=True)
class Edited:
    """Captions in a form: their text in film time, the version it began with, the faults of what was sent.

    The version is one that its writer has seen: one that came meanwhile is shown as `standing` first.
    """

    lang: str
    text: str = ""
    version: int = 0
    is_checked: bool = False
    origin: str = ""
    # What was sent line by line comes back so.
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    # What a colleague has put in their place meanwhile.
    standing: Standing | None = None

    @property
    def name(self) -> str:
        """The language in its own name."""
        return own_name(self.lang)


def accept_texts(*_: Any) -> None:
    """Let a request of these pages be as large as captions may be: before anybody looks into its form."""
    request.max_content_length = MOST_BODY
    request.max_form_memory_size = MOST_BODY


for blueprint in (bp, studio):
    blueprint.url_value_preprocessor(accept_texts)


# Files -----------------------------------------------------------------------------------------------


@bp.get("/<lang>/c/<string(length=10):clip_id>/captions/<tr>.<any(vtt, txt):form>")
def published(lang: str, clip_id: str, tr: str, form: str) -> Response:  # noqa: ARG001 - the address has it
    """The words of a published clip, as a track for players or as plain text."""
    session = reading()
    clip = gallery.visible(session, clip_id)
    told = captions.shown(session, clip, gallery.cut_shown(session, clip))
    answer = _file(told, tr, form)
    answer.headers["Cache-Control"] = "public, max-age=60"
    # Players on other people's pages read them too.
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.add_etag()
    return answer.make_conditional(request)


@bp.get("/<lang>/s/<token>/captions/<tr>.<any(vtt, txt):form>")
def owners(lang: str, token: str, tr: str, form: str) -> Response:  # noqa: ARG001 - the address has it
    """The words of an owner's clip, whatever its state."""
    session = reading()
    clip = submission.by_link(session, token)
    return _file(captions.shown(session, clip, cuts.current(session, clip)), tr, form)


@studio.get("/studio/review/<clip_id>/captions/<tr>.<any(vtt, txt):form>")
def reviewers(clip_id: str, tr: str, form: str) -> Response:
    """The words of any clip, for staff."""
    session = reading()
    clip = review.clip_by_id(session, clip_id)
    return _file(captions.shown(session, clip, cuts.current(session, clip)), tr, form)


@studio.get(
    "/studio/review/<clip_id>/cuts/<int(max=99999):number>/captions/<tr>.<any(vtt, txt):form>",
    endpoint="reviewers_cut",
)
def reviewers_of_cut(clip_id: str, number: int, tr: str, form: str) -> Response:
    """The words of any clip as one of its cuts shows them, for staff."""
    session = reading()
    return _file(_as_cut(session, review.clip_by_id(session, clip_id), number), tr, form)


@bp.get(
    "/<lang>/s/<token>/cuts/<int(max=99999):number>/captions/<tr>.<any(vtt, txt):form>", endpoint="owners_cut"
)
def owners_of_cut(lang: str, token: str, number: int, tr: str, form: str) -> Response:  # noqa: ARG001 - the address has it
    """The words of an owner's clip as one of its cuts shows them."""
    session = reading()
    return _file(_as_cut(session, submission.by_link(session, token), number), tr, form)


def _as_cut(session: Session, clip: Clip, number: int) -> list[Shown]:
    cut = editing.numbered(session, clip, number)
    if cut.film_id != clip.film_id:
        raise Missing(Code.MISSING)
    return captions.shown(session, clip, cut)


def _file(told: list[Shown], tr: str, form: str) -> Response:
    one = next((one for one in told if one.lang == tr), None)
    if one is None:
        raise Missing(Code.MISSING)
    answer = make_response(webvtt.write(one.cues) if form == "vtt" else webvtt.plain_text(one.cues))
    answer.content_type = _TYPES[form]
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


# Beside a player -------------------------------------------------------------------------------------


def transcript(session: Session, clip_id: str, lang: str, *, asked: str) -> Transcript | None:
    """What is said in a published clip, in the language asked for or the one that suits the reader; None without."""
    clip = gallery.visible(session, clip_id)
    told = captions.shown(session, clip, gallery.cut_shown(session, clip))

    def url(tr: str, form: str = "vtt") -> str:
        return url_for("captions.published", lang=lang, clip_id=clip_id, tr=tr, form=form)

    return _transcript(told, clip.speech_lang, url, asked=asked)


def are_coming(session: Session, clip_id: str) -> bool:
    """Whether a clip without captions will have some."""
    return captions.are_coming(session, session.get_one(Clip, clip_id))


def _transcript(told: list[Shown], spoken: str, url: Callable[..., str], *, asked: str) -> Transcript | None:
    wishes = (asked, current_language(), spoken)
    best = sorted(told, key=lambda one: wishes.index(one.lang) if one.lang in wishes else len(wishes))
    if not best:
        return None
    one = best[0]
    return Transcript(
        lang=one.lang,
        name=own_name(one.lang),
        is_automatic=one.is_automatic,
        lines=tuple((cue.start, cue.plain) for cue in one.cues),
        others=tuple(
            (
                other.lang,
                caption_label(other.lang, is_automatic=other.is_automatic),
                f"?tr={other.lang}#words",
            )
            for other in told
            if other is not one
        ),
        vtt_url=url(one.lang),
        txt_url=url(one.lang, "txt"),
    )


def with_tracks(playback: Playback | None, session: Session, clip: Clip, url: Url) -> Playback | None:
    """The player with the clip's captions; `url` is that of one language's track."""
    if playback is None or playback.is_first:
        return playback
    shown = captions.shown(session, clip, cuts.current(session, clip))
    told = [(one.lang, url(one.lang), one.is_automatic) for one in shown]
    return replace(playback, tracks=tracks_of(told, clip.speech_lang))


def reviewers_tracks(clip: Clip) -> Callable[[int, str], str]:
    """How staff reach the captions of a clip's cut, by its number and their language."""
    return lambda number, tr: url_for(
        "captions_studio.reviewers_cut", clip_id=clip.id, number=number, tr=tr, form="vtt"
    )


def owners_tracks(lang: str, token: str) -> Callable[[int, str], str]:
    """How an owner reaches the captions of the clip's cut, by its number and their language."""
    return lambda number, tr: url_for(
        "captions.owners_cut", lang=lang, token=token, number=number, tr=tr, form="vtt"
    )


def for_staff(playback: Playback | None, session: Session, clip: Clip) -> Playback | None:
    """The player with the clip's captions, on the studio's pages."""
    return with_tracks(
        playback,
        session,
        clip,
        lambda tr: url_for("captions_studio.reviewers", clip_id=clip.id, tr=tr, form="vtt"),
    )


def on_sheet(session: Session, clip: Clip) -> dict[str, Any]:
    """What the moderators' page shows of a clip's captions."""
    rows = captions.of(session, clip)
    told = captions.shown(session, clip, cuts.current(session, clip))
    cut = cuts.current(session, clip)
    return {
        "edited": [_edited(row) for row in rows],
        "lines": {one.lang: one.cues for one in told},
        "more": languages({row.lang for row in rows}),
        "is_cut": not cuts.edits_of(cut).is_empty,
        "may_write": clip.state in STAFFS and clip.film_id is not None,
        "are_coming": not rows and captions.are_coming(session, clip),
    }


def words_said(session: Session, clip: Clip, query: str) -> dict[str, Any] | None:
    """For lists: where in the film a searched word is said; None when the clip's own texts have it, or nobody searched."""
    found = captions.said(session, clip, query) if query.strip() else None
    return {"lang": found[0], "at": found[1].start, "words": found[1].plain} if found is not None else None


def on_status(session: Session, clip: Clip) -> dict[str, Any]:
    """What the owner's page shows of a clip's captions."""
    return {
        "edited": [_edited(row) for row in captions.of(session, clip)],
        "cues": {row.lang: captions.cues_of(row) for row in captions.of(session, clip)},
        "may_write": clip.state in OWNERS and clip.film_id is not None,
        "lang": clip.speech_lang or clip.lang,
    }


def languages(but: set[str]) -> list[tuple[str, str]]:
    """Languages that captions can be added in, named in the reader's."""
    names = Locale.parse(current_language()).languages
    found = [(code, names.get(code, code)) for code in SPEECH_LANGUAGES if code not in but and len(code) < 4]
    return sorted(found, key=lambda pair: pair[1].casefold())


def _edited(row: Caption) -> Edited:
    text = webvtt.write(captions.cues_of(row))
    origin = row.origin if row.touched_at is None else captions.PERSON
    return Edited(row.lang, text, row.version, row.checked_at is not None, origin)


# Forms -----------------------------------------------------------------------------------------------


@studio.get("/studio/review/<clip_id>/captions")
def edit(clip_id: str) -> Response:
    """The captions in one language, to be written or mended (`?tr=de`)."""
    clip = review.clip_by_id(reading(), clip_id)
    tr = request.args.get("tr", clip.speech_lang)
    return redirect(url_for("review.sheet", clip_id=clip_id) + f"#captions-{tr}", 303)


@studio.post("/studio/review/<clip_id>/captions")
def save(clip_id: str) -> Response:
    """Keep a moderator's captions; what cannot be taken comes back on a page of its own, with its faults."""

    def clip_of(session: Session) -> Clip:
        return review.clip_by_id(session, clip_id)

    back = url_for("review.sheet", clip_id=clip_id)
    return _saved(clip_of, actor(), STAFFS, back, "review/captions.html", clip_id=clip_id)


@bp.post("/<lang>/s/<token>/captions")
def save_owners(lang: str, token: str) -> Response:
    """Keep an owner's captions, until a moderator has decided."""

    def clip_of(session: Session) -> Clip:
        return submission.by_link(session, token)

    back = url_for("submission.status", lang=lang, token=token)
    return _saved(clip_of, OWNER, OWNERS, back, "submission/captions.html", token=token)


def _saved(
    clip_of: Callable[[Session], Clip],
    by: Actor,
    states: frozenset[State],
    back: str,
    template: str,
    **place: str,
) -> Response:
    sent, wants_delete = _sent(), request.form.get("do") == "delete" and states is STAFFS
    try:
        with writing() as session:
            clip = clip_of(session)
            if wants_delete:
                captions.delete(session, clip, sent.lang, by=by, seen_version=sent.version)
            else:
                _keep(session, clip, sent, by, states)
    except (Unacceptable, Conflict) as error:
        sent.faults = _faults(error, sent)
        clip = clip_of(reading())
        if isinstance(error, Conflict):
            if not wants_delete and _is_kept(clip, sent):
                return redirect(f"{back}#captions", 303)
            sent.standing = _standing(clip, sent)
            if sent.standing is not None:
                said = _("Ces sous-titres ont changé pendant que vous écriviez. Les vôtres sont gardés ici.")
                sent.faults = [Fault(said, "standing-title")]
        page = render_template(template, clip=clip, one=sent, back=back, is_page=True, **place)
        return make_response(page, 409 if isinstance(error, Conflict) else 422)
    flash(_("Sous-titres supprimés.") if wants_delete else _("Sous-titres enregistrés."), "success")
    return redirect(f"{back}#captions", 303)


def _is_kept(clip: Clip, sent: Edited) -> bool:
    """Whether what was sent stands there already, word for word: the button was pressed twice."""
    row = next((one for one in captions.of(reading(), clip) if one.lang == sent.lang), None)
    if row is None or (row.checked_at is not None) != sent.is_checked:
        return False
    try:
        cues = webvtt.parse(sent.text)
    except Unacceptable:
        return False
    return webvtt.write(captions.cues_of(row)) == webvtt.write(cues)


def _standing(clip: Clip, sent: Edited) -> Standing | None:
    """What a colleague has written meanwhile, beside what was sent; None when it is something else that stands against."""
    rows = captions.of(reading(), clip)
    now = next((_edited(row) for row in rows if row.lang == sent.lang), Edited(sent.lang))
    return standing(now.version, now.text, sent.text) if now.version != sent.version else None


def _keep(session: Session, clip: Clip, sent: Edited, by: Actor, states: frozenset[State]) -> None:
    row = captions.replace(
        session, clip, sent.lang, sent.text, by=by, seen_version=sent.version, states=states
    )
    captions.check(
        session, clip, sent.lang, by=by, seen_version=row.version, is_checked=sent.is_checked, states=states
    )


def _sent() -> Edited:
    """The form's fields; a chosen file counts before the text, a version read meanwhile before the one of the beginning."""
    form = request.form
    chosen = request.files.get("file")
    text = _decoded(chosen.read(webvtt.MOST_BYTES + 1)) if chosen is not None and chosen.filename else ""
    text = text or form.get("text", "")
    lines = [] if text else _lines()
    return Edited(
        lang=form.get("tr", "")[:8],
        text=text or _as_file(lines),
        version=_number(form.get("seen") or form.get("version", "")),
        is_checked="checked" in form,
        lines=lines,
    )


def _lines() -> list[Line]:
    """What the form with a field for each line says, in the film's order; an emptied line is a line less."""
    form = request.form
    told = zip(form.getlist("start"), form.getlist("end"), form.getlist("words"), strict=False)
    lines = [
        Line(start, end, said)
        for start, end, words in told
        if (
            said := "\n".join(line.strip() for line in words.replace("-->", "→").splitlines() if line.strip())
        )
    ]
    # A line that was added stands at the end of the page, not of the film.
    return sorted(lines, key=lambda one: _instant(one.start))


def _as_file(lines: list[Line]) -> str:
    told = [f"{_clock(one.start)} --> {_clock(one.end)}\n{one.text}" for one in lines]
    return "\n\n".join(["WEBVTT", *told]) if told else ""


def _line_of(lines: list[Line], number: int) -> int:
    """Which line of the form (from 1) a line of its file (`_as_file`) belongs to."""
    begins = 3
    for place, one in enumerate(lines, 1):
        begins += 2 + len(one.text.splitlines())
        if number < begins:
            return place
    return len(lines)


def _instant(seconds: str) -> float:
    try:
        at = float(seconds.strip().replace(",", "."))
    except ValueError:
        return -1.0
    return at if 0 <= at < 1e6 else -1.0


def _clock(seconds: str) -> str:
    """Seconds as captions write them; what is no time stays as it was typed, for the fault to name it."""
    at = round(_instant(seconds) * 1000)
    return f"{at // 60000:02}:{at // 1000 % 60:02}.{at % 1000:03}" if at >= 0 else seconds.strip()[:20] or "?"


def _number(version: str) -> int:
    # A number that no version can have is none: the database would choke on it.
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0


def _decoded(data: bytes) -> str:
    """A file's text: UTF-8 as it should be, or what old subtitle programs write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252", errors="replace")


def _faults(error: PortalError, sent: Edited) -> list[Fault]:
    whole = f"said-{sent.lang}-1" if sent.lines else f"text-{sent.lang or 'new'}"
    if not error.fields:
        return [Fault(reasons.sentence(error.code, **error.facts), whole)]
    found = []
    for place, code in error.fields.items():
        kind, _dot, number = place.partition(".")
        facts = {"most": webvtt.MOST_CHARACTERS} if code == Code.TOO_LONG_TEXT else {}
        words, at = reasons.sentence(code, **facts), whole
        if kind == "line":
            line = _line_of(sent.lines, int(number)) if sent.lines else int(number)
            at = f"said-{sent.lang}-{line}" if sent.lines else whole
            if sent.lines and code == Code.WRONG_TIMES:
                words = _("Un temps manque, ou la fin ne vient pas après le début.")
            words = _("Ligne %(number)s : %(fault)s", number=line, fault=words)
        found.append(Fault(words, at))
    return found
