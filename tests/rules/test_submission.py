"""The owner's words: drafts, links, edits, and the step into review."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from portal import campaigns, people, readiness, submission
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.lifecycle import OWNER
from portal.models import AuditEvent, Campaign, Clip, ClipLink, Notice, State
from portal.submission import Texts

WHOLE = Texts(email="lea@mail.example", first_name="Léa", title="Lille – Biarritz", speech_lang="fr")


def begin(runtime, make, texts=WHOLE, consents=("site", "adult"), **more):
    campaign = make.campaign()
    with runtime.work() as session:
        return submission.begin(
            session,
            session.get_one(Campaign, campaign.id),
            lang="fr",
            texts=texts,
            consents=consents,
            channel="site",
            by=OWNER,
            site=runtime.settings.site,
            **more,
        )


def test_a_draft_may_lack_everything_but_the_campaign_and_says_what_it_lacks(runtime, make, session):
    clip, _token = begin(runtime, make, Texts(), ())
    assert clip.state == State.DRAFT
    assert submission.missing(session, clip) == [
        "email", "first_name", "title", "speech_lang", "consents.site", "consents.adult", "film",
    ]  # fmt: skip


def test_a_whole_draft_lacks_only_the_film(runtime, make, session):
    clip, _token = begin(runtime, make)
    assert submission.missing(session, clip) == ["film"]


def test_the_magic_link_opens_the_clip_and_only_its_hash_is_kept(runtime, make, session):
    clip, token = begin(runtime, make)
    assert submission.by_link(session, token).id == clip.id
    stored = session.scalars(select(ClipLink.token_hash)).all()
    assert token not in stored
    assert stored == [people.hash_token(token)]


def test_a_link_that_nobody_has_opens_nothing(runtime, make, session):
    begin(runtime, make)
    with pytest.raises(Missing):
        submission.by_link(session, people.new_token())


def test_a_link_opens_nothing_after_ninety_days(runtime, make, session):
    _clip, token = begin(runtime, make)
    with runtime.work() as writing:
        writing.execute(update(ClipLink).values(expires_at=db_now(writing) - timedelta(seconds=1)))
    with pytest.raises(Missing):
        submission.by_link(session, token)


def test_a_closed_campaign_takes_no_draft(runtime, make):
    with runtime.work() as session:
        campaign = campaigns.add(session, "hiver", title="Hiver", lang="fr")
        campaign.closes_at = db_now(session) - timedelta(minutes=1)
    with pytest.raises(Conflict) as refused, runtime.work() as session:
        submission.begin(
            session,
            campaigns.by_slug(session, "hiver"),
            lang="fr",
            texts=WHOLE,
            consents=(),
            channel="site",
            by=OWNER,
            site=runtime.settings.site,
        )
    assert refused.value.code == Code.CAMPAIGN_CLOSED


def test_all_faults_are_named_at_once_and_nothing_is_kept(runtime, make, session):
    faulty = Texts(
        email="lea",
        title="x" * 81,
        speech_lang="xx",
        owned_since=1000,
        filmed_on=date(1500, 1, 1),
        music="loud",
    )
    with pytest.raises(Unacceptable) as refused:
        begin(runtime, make, faulty)
    assert refused.value.fields == {
        "email": Code.WRONG_EMAIL,
        "title": Code.TOO_LONG_TEXT,
        "speech_lang": Code.UNKNOWN_LANGUAGE,
        "owned_since": Code.WRONG_DATE,
        "filmed_on": Code.WRONG_DATE,
        "music": Code.INVALID,
    }
    assert session.scalars(select(Clip)).all() == []


def test_a_theme_that_does_not_exist_and_a_fourth_theme_are_refused(runtime, make):
    for slug in ("a", "b", "c", "d"):
        make.theme(slug)
    with pytest.raises(Unacceptable) as unknown:
        begin(runtime, make, Texts(themes=["nowhere"]))
    assert unknown.value.fields == {"themes": Code.UNKNOWN_THEME}
    with pytest.raises(Unacceptable) as many:
        begin(runtime, make, Texts(themes=["a", "b", "c", "d"]))
    assert many.value.fields == {"themes": Code.TOO_MANY}


def test_an_edit_changes_what_is_given_leaves_the_rest_and_is_audited_by_field(runtime, make, session):
    clip, _token = begin(runtime, make)
    with runtime.work() as writing:
        changed = submission.edit(writing, writing.get_one(Clip, clip.id), Texts(city="  Lille "), by=OWNER)
    kept = session.get_one(Clip, clip.id)
    assert (changed, kept.city, kept.title) == (["city"], "Lille", "Lille – Biarritz")
    event = session.scalars(select(AuditEvent).where(AuditEvent.verb == "edit")).one()
    assert event.detail == {"fields": ["city"]}
    assert "lille" in kept.search_text


def test_an_edit_without_a_change_leaves_no_trace(runtime, make, session):
    clip, _token = begin(runtime, make)
    with runtime.work() as writing:
        assert submission.edit(writing, writing.get_one(Clip, clip.id), WHOLE, by=OWNER) == []
    assert session.get_one(Clip, clip.id).version == clip.version


def test_dates_can_be_emptied_again(runtime, make, session):
    clip, _token = begin(runtime, make, Texts(owned_since=2024, filmed_on=date(2026, 6, 1)))
    with runtime.work() as writing:
        cleared = Texts(cleared=frozenset({"owned_since", "filmed_on"}))
        submission.edit(writing, writing.get_one(Clip, clip.id), cleared, by=OWNER)
    kept = session.get_one(Clip, clip.id)
    assert (kept.owned_since, kept.filmed_on) == (None, None)


def test_words_that_a_moderator_decided_on_stay(runtime, make):
    clip = make.clip(State.PUBLISHED)
    with pytest.raises(Conflict), runtime.work() as session:
        submission.edit(session, session.get_one(Clip, clip.id), Texts(title="Autre"), by=OWNER)


def processing(make, **columns):
    """A clip whose film is ready while its texts are not."""
    clip = make.clip(State.PROCESSING, **columns)
    make.film(clip, 1, is_ready=True)
    return clip


def test_the_last_missing_word_hands_a_ready_film_to_review(runtime, make, session):
    clip = processing(make, title="")
    with runtime.work() as writing:
        submission.edit(writing, writing.get_one(Clip, clip.id), Texts(title="Le Galibier"), by=OWNER)
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_the_last_missing_consent_hands_a_ready_film_to_review(runtime, make, session):
    clip = processing(make)
    with runtime.work() as writing:
        mine = writing.get_one(Clip, clip.id)
        submission.agree(writing, mine, (), by=OWNER, site=runtime.settings.site, taken_back={"adult"})
        assert readiness.missing(writing, mine) == ["consents.adult"]
    with runtime.work() as writing:
        mine = writing.get_one(Clip, clip.id)
        submission.agree(writing, mine, {"adult"}, by=OWNER, site=runtime.settings.site)
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_a_film_that_is_not_ready_waits_however_whole_the_words_are(runtime, make, session):
    clip = make.clip(State.PROCESSING)
    with runtime.work() as writing:
        assert submission.settle(writing, writing.get_one(Clip, clip.id)) is False


def test_a_required_consent_cannot_be_taken_from_a_published_clip_but_an_optional_one_can(
    runtime, make, session
):
    clip = make.clip(State.PUBLISHED, consents=("site", "adult", "ads"))
    site = runtime.settings.site
    with pytest.raises(Conflict), runtime.work() as writing:
        submission.agree(
            writing, writing.get_one(Clip, clip.id), (), by=OWNER, site=site, taken_back={"site"}
        )
    with runtime.work() as writing:
        submission.agree(writing, writing.get_one(Clip, clip.id), (), by=OWNER, site=site, taken_back={"ads"})
        assert set(submission.consent.standing(writing, clip)) == {"site", "adult"}


def test_an_answer_in_words_sends_the_clip_back_to_review(runtime, make, session):
    clip = make.clip(State.CHANGES_REQUESTED)
    with runtime.work() as writing:
        submission.answer(writing, writing.get_one(Clip, clip.id), Texts(title="Sans marque"), by=OWNER)
    kept = session.get_one(Clip, clip.id)
    assert (kept.state, kept.title) == (State.IN_REVIEW, "Sans marque")


def test_an_answer_that_leaves_a_gap_is_refused_and_changes_nothing(runtime, make, session):
    clip = make.clip(State.CHANGES_REQUESTED)
    with pytest.raises(Conflict) as refused, runtime.work() as writing:
        submission.answer(writing, writing.get_one(Clip, clip.id), Texts(title=""), by=OWNER)
    assert refused.value.code == Code.INCOMPLETE
    kept = session.get_one(Clip, clip.id)
    assert (kept.state, kept.title) == (State.CHANGES_REQUESTED, clip.title)


def test_nothing_is_answered_where_nothing_was_asked(runtime, make):
    clip = make.clip(State.IN_REVIEW)
    with pytest.raises(Conflict), runtime.work() as writing:
        submission.answer(writing, writing.get_one(Clip, clip.id), Texts(title="x"), by=OWNER)


def test_an_address_that_comes_after_the_film_brings_one_receipt(runtime, make, session):
    clip = processing(make, title="")
    with runtime.work() as writing:
        writing.execute(update(Clip).values(owner_id=None))
    for _again in range(2):
        with runtime.work() as writing:
            texts = Texts(email="lea@mail.example")
            submission.edit(writing, writing.get_one(Clip, clip.id), texts, by=OWNER)
    assert [notice.kind for notice in session.scalars(select(Notice))] == ["received"]


def test_finishing_later_needs_an_address_and_writes_once_a_day(runtime, make, session):
    nameless, _token = begin(runtime, make, Texts())
    with pytest.raises(Unacceptable), runtime.work() as writing:
        submission.finish_later(writing, writing.get_one(Clip, nameless.id))
    clip, _token = begin(runtime, make)
    for _again in range(2):
        with runtime.work() as writing:
            submission.finish_later(writing, writing.get_one(Clip, clip.id))
    assert [notice.kind for notice in session.scalars(select(Notice))] == ["finish_later"]
