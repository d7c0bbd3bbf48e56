"""Who agreed to which words, and that it stays known."""

import hashlib

import pytest
from sqlalchemy import func, select

from portal import consent
from portal.errors import Unacceptable
from portal.lifecycle import OWNER
from portal.models import AuditEvent, Clip, Consent, ConsentText, State


def give(runtime, clip, purposes, *, lang="fr", brand="Solène"):
    with runtime.work() as session:
        mine = session.get_one(Clip, clip.id)
        return consent.give(session, mine, purposes, lang=lang, via="site", brand=brand)


def test_a_wording_is_stored_once_with_its_hash(runtime, make, session):
    for _clip in range(2):
        give(runtime, make.clip(State.DRAFT, consents=()), {"site"})
    text = session.scalars(select(ConsentText)).one()
    assert (text.purpose, text.lang, text.version) == ("site", "fr", 1)
    assert text.sha256 == hashlib.sha256(text.body.encode()).hexdigest()
    assert "Solène" in text.body


def test_a_changed_wording_becomes_the_next_version_and_the_old_one_stays(runtime, make, session):
    clip = make.clip(State.DRAFT, consents=())
    give(runtime, clip, {"social"})
    give(runtime, make.clip(State.DRAFT, consents=()), {"social"}, brand="Aurore")
    versions = session.scalars(select(ConsentText.version).order_by(ConsentText.version)).all()
    assert versions == [1, 2]
    first = session.scalars(select(Consent).where(Consent.clip_id == clip.id)).one()
    assert session.get_one(ConsentText, first.text_id).version == 1


def test_each_language_has_texts_of_its_own(runtime, make, session):
    give(runtime, make.clip(State.DRAFT, consents=()), {"site"}, lang="fr")
    give(runtime, make.clip(State.DRAFT, consents=()), {"site"}, lang="de")
    assert sorted(session.scalars(select(ConsentText.lang))) == ["de", "fr"]


def test_agreeing_twice_is_agreeing_once(runtime, make, session):
    clip = make.clip(State.DRAFT, consents=())
    assert give(runtime, clip, {"site", "adult"}) == ["site", "adult"]
    assert give(runtime, clip, {"site", "adult"}) == []
    assert session.scalar(select(func.count()).select_from(Consent)) == 2


def test_an_unknown_purpose_is_refused_by_name(runtime, make):
    with pytest.raises(Unacceptable) as refused:
        give(runtime, make.clip(State.DRAFT, consents=()), {"everything"})
    assert list(refused.value.fields) == ["consents.everything"]


def test_taking_back_closes_the_row_keeps_it_and_is_audited(runtime, make, session):
    clip = make.clip(State.PUBLISHED, consents=("site", "adult", "ads"))
    with runtime.work() as writing:
        assert consent.revoke(writing, writing.get_one(Clip, clip.id), "ads", by=OWNER) is True
    assert set(consent.standing(session, clip)) == {"site", "adult"}
    row = session.scalars(select(Consent).where(Consent.purpose == "ads")).one()
    assert row.revoked_at is not None
    event = session.scalars(select(AuditEvent).where(AuditEvent.verb == "revoke")).one()
    assert event.detail == {"purpose": "ads"}


def test_what_was_never_given_cannot_be_taken_back(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with runtime.work() as writing:
        assert consent.revoke(writing, writing.get_one(Clip, clip.id), "ads", by=OWNER) is False


def test_agreeing_again_after_taking_back_makes_a_second_row(runtime, make, session):
    clip = make.clip(State.DRAFT, consents=("ads",))
    with runtime.work() as writing:
        consent.revoke(writing, writing.get_one(Clip, clip.id), "ads", by=OWNER)
    assert give(runtime, clip, {"ads"}) == ["ads"]
    assert session.scalar(select(func.count()).select_from(Consent)) == 2
