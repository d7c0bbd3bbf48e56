"""Which failed jobs somebody should still look at: one condition for the studio, the monitoring and the second try.

Only reads.
"""

from typing import Final

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from portal.jobs import JobKind
from portal.lifecycle import BELONGS
from portal.models import Clip, Job, JobState, State

# A film that cannot be made takes its clip out of the state in which it was to be made.
_LEAVES: Final = {JobKind.TRANSCODE: {State.FAILED}}


def still_matters() -> ColumnElement[bool]:
    """The job failed, nobody asked for the same work again since, and its clip still has a use for it."""
    later, clip = aliased(Job), aliased(Clip)
    is_overtaken = exists().where(
        later.clip_id == Job.clip_id, later.kind == Job.kind, later.created_at > Job.created_at
    )
    is_idle = or_(
        *(
            and_(Job.kind == kind, clip.state.not_in(states | _LEAVES.get(kind, set())))
            for kind, states in BELONGS.items()
        )
    )
    is_past = exists().where(clip.id == Job.clip_id, is_idle)
    return and_(Job.state == JobState.FAILED, ~is_overtaken, ~is_past)


def latest(session: Session, clip: Clip, kind: JobKind | None = None) -> Job | None:
    """The newest of the clip's failed jobs that matter, of this kind where one is named."""
    wanted = [Job.clip_id == clip.id, still_matters(), *([Job.kind == kind] if kind is not None else [])]
    return session.scalars(
        select(Job).where(*wanted).order_by(Job.created_at.desc(), Job.id).limit(1)
    ).first()
