"""What the tests of people in a film begin with."""

import pytest

from portal import signatures
from portal.models import Clip, State


@pytest.fixture
def named(runtime, make):
    """Names people for a clip in a state: the clip's id and its rows by name."""

    def name(*people, state=State.IN_REVIEW, **columns):
        clip = make.clip(state, **columns)
        with runtime.work() as session:
            held = session.get_one(Clip, clip.id)
            signatures.declare(session, held, people)
            return clip, {row.name: row.id for row in signatures.of(session, held)}

    return name
