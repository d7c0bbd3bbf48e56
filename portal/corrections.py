"""What moderators correct of an owner's words, and how its owner hears that a clip has another title.

Never decides on a clip. A title that comes with an approval is told when it takes effect (publications.py).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import i18n, lifecycle, search, thread
from portal import themes as theme_rules
from portal.database import db_now
from portal.errors import Code, Conflict, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Decision, Note, State

EDITABLE: Final = frozenset({
    State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED,
})  # fmt: skip
TITLE_MOST: Final = 80
EARLIEST_YEAR: Final = 1900
"""Nobody has owned anything for longer."""

# What is corrected because its owner asked for it, and what it is called in the note that says so.
ABOUT: Final[Mapping[str, Callable[[], str]]] = {
    "first_name": lambda: _("prénom"),
    "city": lambda: _("ville"),
    "product": lambda: _("produit"),
    "owned_since": lambda: _("depuis quelle année"),
}
About = Mapping[str, str | int | None]
NOTHING: Final[About] = {}


def edit(
    session: Session,
    clip: Clip,
    *,
    by: Actor,
    seen_version: int,
    title: str | None = None,
    themes: list[str] | None = None,
    about: About = NOTHING,
    is_typo: bool = False,
) -> None:
    """Correct what is given; the owner is written to about another title, unless it was a slip of the pen (`is_typo`).

    `about` holds those of the names in ABOUT that change; the year may be None. What they were and are is a note for
    colleagues, which is forgotten with the clip: the audit trail names the fields alone.
    Raises Conflict when the clip is past `seen_version`, Unacceptable with the faults by field, Missing for a theme.
    """
    wanted = _checked_about(session, about)
    if title is not None:
        wanted["title"] = checked_title(title)
    if clip.state not in EDITABLE:
        raise Conflict(Code.CONFLICT, verb="edit", state=clip.state, version=clip.version)
    # Locks the row on PostgreSQL (on SQLite the whole unit of work is alone): two who edit at once do not mix.
    session.flush()
    held = session.execute(
        update(Clip)
        .where(Clip.id == clip.id, Clip.version == seen_version)
        .values(**wanted, version=seen_version)
        .execution_options(synchronize_session=False)
    )
    before = {name: getattr(clip, name) for name in wanted}
    session.refresh(clip)
    if not held.rowcount:  # type: ignore[attr-defined]
        raise Conflict(Code.CONFLICT, verb="edit", state=clip.state, version=clip.version)
    changed = [name for name, value in wanted.items() if before[name] != value]
    if themes is not None and theme_rules.set_themes(session, clip, themes):
        changed.append("themes")
    if changed:
        _keep(session, clip, changed, before, by=by, is_typo=is_typo)


def _keep(
    session: Session, clip: Clip, changed: list[str], before: dict[str, Any], *, by: Actor, is_typo: bool
) -> None:
    search.text_of(clip)
    detail: dict[str, Any] = {"fields": changed}
    is_told = "title" in changed and not is_typo
    if "title" in changed and is_typo:
        detail["typo"] = True
    lifecycle.record(session, clip, "edit", by=by, detail=detail)
    said = [_changed(name, before[name], getattr(clip, name)) for name in ABOUT if name in changed]
    if said:
        now = db_now(session)
        session.add(Note(clip_id=clip.id, author_id=person_of(by), words=" ; ".join(said), made_at=now))
    if is_told:
        _tell_title(session, clip, _settled(session, clip, before["title"]), by=by)


def _changed(name: str, former: Any, now: Any) -> str:
    none = _("(rien)")
    return _("%(field)s : %(former)s → %(now)s", field=ABOUT[name](), former=former or none, now=now or none)


# Another title ------------------------------------------------------------------------------------------


def tell_owed(session: Session, clip: Clip) -> None:
    """The approval has taken effect: write to the owner about the title that came with it, if one did."""
    owed = _owed(session, clip)
    if owed:
        last = owed[-1].moderator_id
        by = Actor(ActorKind.MODERATOR, last) if last is not None else Actor(ActorKind.PROGRAM)
        _tell_title(session, clip, _settled(session, clip, clip.title), by=by)


def _owed(session: Session, clip: Clip) -> list[Decision]:
    standing = (Decision.clip_id == clip.id, Decision.title_was.is_not(None), Decision.undone_at.is_(None))
    return list(session.scalars(select(Decision).where(*standing).order_by(Decision.id)))


def _settled(session: Session, clip: Clip, former: str) -> str:
    """The last title that the owner knows of; from now on nothing is owed."""
    owed = _owed(session, clip)
    known = owed[0].title_was if owed else None
    for one in owed:
        one.title_was = None
    return former if known is None else known


def _tell_title(session: Session, clip: Clip, former: str, *, by: Actor) -> None:
    if former == clip.title:
        return
    with i18n.language(clip.lang):
        said = (
            _(
                "Nous avons corrigé le titre de votre clip : c’était « %(former)s », c’est maintenant « %(title)s ». "
                "Si vous ne le voulez pas, répondez à ce message : nous remettrons le vôtre.",
                former=former,
                title=clip.title,
            )
            if former
            else _(
                "Votre clip n’avait pas de titre, nous lui avons donné celui-ci : « %(title)s ». "
                "Si vous n’en voulez pas, répondez à ce message avec le vôtre.",
                title=clip.title,
            )
        )
    thread.add(session, clip, said, author=by)


# Checks -------------------------------------------------------------------------------------------------


def person_of(by: Actor) -> int | None:
    """The id of the member of staff who acts; None for a program."""
    return by.id if by.kind in (ActorKind.MODERATOR, ActorKind.ADMIN) else None


def checked_title(title: str) -> str:
    """The title, tidied; raises Unacceptable when it is empty or too long."""
    clean = " ".join(title.split())
    if not clean:
        raise Unacceptable(Code.REQUIRED, fields={"title": Code.REQUIRED})
    if len(clean) > TITLE_MOST:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"title": Code.TOO_LONG_TEXT}, most=TITLE_MOST)
    return clean


def _checked_about(session: Session, about: About) -> dict[str, Any]:
    """The columns to write; raises Unacceptable with every fault."""
    wanted: dict[str, Any] = {}
    faults: dict[str, Code] = {}
    for name in ("first_name", "city", "product"):
        if name in about:
            wanted[name] = " ".join(str(about[name] or "").replace("\x00", "").split())
            if len(wanted[name]) > Clip.__table__.c[name].type.length:  # type: ignore[attr-defined]
                faults[name] = Code.TOO_LONG_TEXT
    if not wanted.get("first_name", "-"):
        faults["first_name"] = Code.REQUIRED
    if "owned_since" in about:
        year = wanted["owned_since"] = about["owned_since"]
        if year is not None and not (isinstance(year, int) and EARLIEST_YEAR <= year <= db_now(session).year):
            faults["owned_since"] = Code.WRONG_DATE
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    return wanted
