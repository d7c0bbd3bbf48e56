"""What many tests of pages begin with: an owner's link to a clip, a program that may review."""

import pytest


@pytest.fixture
def link(make):
    """Makes a clip in a state and its magic link's token."""

    def made(state, **columns):
        clip = make.clip(state, **columns)
        return clip, make.link(clip)

    return made


@pytest.fixture
def reviewer(make):
    """The header of a program that may review."""
    return make.bearer("review")
