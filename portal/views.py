"""How often published clips are watched: each visitor's browser once a day, by a hash that tells nobody who.

Keeps no address and no name of a program; what tells two visitors of today apart is deleted with the day.
"""

import hashlib
import hmac
import re
from datetime import date, datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal import notices
from portal.database import db_now
from portal.errors import Code, Missing
from portal.i18n import format_number
from portal.models import Clip, Decision, Notice, State, ViewSeen
from portal.notices import NoticeKind

_MARK_LENGTH: Final = 32
_PROGRAMS = re.compile(r"bot\b|crawl|spider|preview|monitor|curl/|wget/|python-|^$", re.IGNORECASE)


def count(
    session: Session, clip_id: str, *, address: str, agent: str, key: str, thanks_after: int = 0
) -> bool:
    """Count one view of a published clip, and thank its owner after so many (0: never); whether it was counted.

    `address` and `agent` are forgotten with this call. Programs that name themselves do not count.
    Raises Missing for a clip that is not public.
    """
    clip = session.get(Clip, clip_id)
    if clip is None or clip.state != State.PUBLISHED:
        raise Missing(Code.MISSING)
    if _PROGRAMS.search(agent):
        return False
    now = db_now(session)
    if not _is_first(session, mark_of(clip_id, address, agent, now.date(), key=key), now.date()):
        return False
    session.execute(
        update(Clip)
        .where(Clip.id == clip_id)
        .values(views=Clip.views + 1)
        .execution_options(synchronize_session=False)
    )
    session.refresh(clip, ["views"])
    if 0 < thanks_after <= clip.views:
        _thank(session, clip)
    return True


def told(session: Session, notice: Notice) -> dict[str, str | int]:
    """What the thanks say: how often the clip was watched, and the line of whoever approved it."""
    times = int(notice.facts.get("views", 0))
    return {"times": times, "views": format_number(times), **approval_line(session, notice)}


def approval_line(session: Session, notice: Notice) -> dict[str, str]:
    """The line that a moderator left for the owner beside the approval that counts; none where there is none."""
    asked = select(Decision.words).where(
        Decision.clip_id == notice.clip_id, Decision.verb == "approve", Decision.undone_at.is_(None)
    )
    return {"line": session.scalar(asked.order_by(Decision.id.desc()).limit(1)) or ""}


def mark_of(clip_id: str, address: str, agent: str, day: date, *, key: str) -> str:
    """What tells one browser from another for one clip and one day; another day's is another."""
    of_the_day = hmac.new(key.encode(), f"views:{day.isoformat()}".encode(), hashlib.sha256).digest()
    seen = f"{clip_id}\n{address}\n{agent}".encode()
    return hmac.new(of_the_day, seen, hashlib.sha256).hexdigest()[:_MARK_LENGTH]


def forget_past_days(session: Session) -> None:
    """Delete what told the visitors of former days apart."""
    today: datetime = db_now(session)
    session.execute(delete(ViewSeen).where(ViewSeen.day < today.date()))


def _is_first(session: Session, mark: str, day: date) -> bool:
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    added = insert(ViewSeen).values(mark=mark, day=day).on_conflict_do_nothing().returning(ViewSeen.mark)
    return session.execute(added).first() is not None


def _thank(session: Session, clip: Clip) -> None:
    """Once for each clip: the letter's row remembers it, whatever becomes of the letter."""
    occasion = f"thanks:{clip.id}"
    if session.scalars(select(Notice.id).where(Notice.occasion == occasion)).first() is None:
        notices.tell(session, NoticeKind.THANKS, clip, occasion=occasion, facts={"views": clip.views})
