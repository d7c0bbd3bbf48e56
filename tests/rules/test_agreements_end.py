"""Until when people in a film agreed, how they are asked again, and what another film makes of their answer."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import asking, consent, keys, leases, letters, processing, signatures, terms
from portal.cuts import Report, Stored
from portal.database import db_now
from portal.lifecycle import OWNER
from portal.models import (
    AuditEvent,
    Clip,
    Consent,
    CoSignature,
    Film,
    Job,
    Notice,
    NoticeState,
    State,
)
from portal.notices import NoticeKind
from portal.signatures import Named
from tests.rules.agreeing import LEO, MALIK, named_as, respond, send_another

# Until when ----------------------------------------------------------------------------------------------


@pytest.fixture
def ending(runtime, named):
    """A public clip of an owner who agreed until far off, and of people who agreed until so many days from now."""

    def end(days, *people, own_days=900, state=State.PUBLISHED):
        clip, rows = named(*(people or [MALIK]), state=state)
        with runtime.work() as session:
            now = db_now(session)
            mine = (Consent.clip_id == clip.id, Consent.purpose == "site")
            session.execute(update(Consent).where(*mine).values(until=now + timedelta(days=own_days)))
        for row_id in rows.values():
            respond(runtime, row_id, guardian="Nadia Haddad")
        with runtime.work() as session:
            until = db_now(session) + timedelta(days=days)
            session.execute(update(CoSignature).where(CoSignature.clip_id == clip.id).values(until=until))
            consent.settle_end(session, session.get_one(Clip, clip.id))
        return clip, rows

    return end


def renew_owner(runtime, clip):
    with runtime.work() as session:
        return terms.renew(session, session.get_one(Clip, clip.id), by=OWNER, via="site", brand="Solène")


def test_a_clip_is_shown_no_longer_than_anybody_in_it_agreed_to(runtime, named, make, session):
    make.campaign(term_months=6)
    clip, rows = named(MALIK, Named("Ada"))
    with runtime.work() as writing:
        far = db_now(writing) + timedelta(days=900)
        writing.execute(update(Consent).where(Consent.purpose == "site").values(until=far))
    respond(runtime, rows["Malik"])
    row, held = session.get_one(CoSignature, rows["Malik"]), session.get_one(Clip, clip.id)
    assert row.until == consent.months_later(row.answered_at, 6)
    assert held.consent_until == row.until
    session.rollback()
    respond(runtime, rows["Malik"], "refuse")
    assert session.get_one(Clip, clip.id).consent_until == far


def test_an_owner_who_prolongs_does_not_prolong_for_the_others(runtime, ending, session):
    clip, rows = ending(20, own_days=10)
    assert renew_owner(runtime, clip) is True
    held, row = session.get_one(Clip, clip.id), session.get_one(CoSignature, rows["Malik"])
    assert held.consent_until == row.until
    assert consent.end_of(session, held) > row.until + timedelta(days=600)


def test_the_others_are_asked_again_thirty_days_before_their_own_end_exactly_once(runtime, ending, session):
    clip, rows = ending(29, MALIK, LEO)
    ending(31)
    assert [asking.ask_ending(runtime.work) for _sweep in range(2)] == [2, 0]
    letters_out = session.scalars(select(Notice).where(Notice.clip_id == clip.id).order_by(Notice.id)).all()
    assert [(one.kind, one.address, one.person_id, one.about) for one in letters_out] == [
        ("co_renewal", MALIK.email, None, rows["Malik"]),
        ("co_ending", None, clip.owner_id, rows["Malik"]),
        ("co_ending", None, clip.owner_id, rows["Léo"]),
    ]
    assert [one.facts["is_asked"] for one in letters_out[1:]] == [True, False]


def test_their_new_yes_moves_the_end_on_and_keeps_the_first(runtime, ending, session):
    clip, rows = ending(20)
    assert respond(runtime, rows["Malik"]) is True
    held = session.get_one(Clip, clip.id)
    assert held.consent_until > db_now(session) + timedelta(days=600)
    assert [one.answer for one in signatures.answers(session, held)] == ["agreed", "agreed"]
    verbs = session.scalars(
        select(AuditEvent.verb).where(AuditEvent.verb.like("cosign%")).order_by(AuditEvent.id)
    )
    assert verbs.all() == ["cosign_agree", "cosign_renew"]
    session.rollback()
    assert respond(runtime, rows["Malik"]) is False


def test_an_expired_clip_comes_back_only_when_the_last_of_them_has_prolonged(runtime, ending, session):
    clip, rows = ending(-1, own_days=-2)
    terms.expire_due(runtime.work)
    renew_owner(runtime, clip)
    assert session.get_one(Clip, clip.id).state == State.EXPIRED
    session.rollback()
    respond(runtime, rows["Malik"])
    assert session.get_one(Clip, clip.id).state == State.IN_REVIEW


def test_somebody_taken_off_the_list_shortens_nothing(runtime, ending, session):
    clip, _rows = ending(20, state=State.IN_REVIEW)
    named_as(runtime, clip)
    assert session.get_one(Clip, clip.id).consent_until > db_now(session) + timedelta(days=800)


def ask_to_renew(runtime, row_id):
    with runtime.work() as session:
        row = session.get_one(CoSignature, row_id)
        return asking.ask_to_renew(session, session.get_one(Clip, row.clip_id), row)


def test_after_the_end_the_owner_has_us_write_again_once_a_day(runtime, ending, session):
    _clip, rows = ending(-1, MALIK, LEO)
    terms.expire_due(runtime.work)
    assert [ask_to_renew(runtime, rows["Malik"]) for _press in range(2)] == [True, False]
    assert ask_to_renew(runtime, rows["Léo"]) is False
    letter = session.scalars(select(Notice).where(Notice.kind == NoticeKind.CO_RENEWAL)).one()
    assert (letter.address, letter.about) == (MALIK.email, rows["Malik"])
    mail = letters.compose(session, letter, site=runtime.settings.site, link="http://portal.test/x")
    assert "Ce jour est passé." in mail.text
    assert "quitte le site ce jour-là" not in mail.text


def test_before_the_end_the_owner_has_us_write_again_on_another_day(runtime, ending, session):
    _clip, rows = ending(20)
    asking.ask_ending(runtime.work)
    assert ask_to_renew(runtime, rows["Malik"]) is False
    with runtime.work() as writing:
        writing.execute(update(Notice).values(created_at=db_now(writing) - timedelta(days=1)))
    assert [ask_to_renew(runtime, rows["Malik"]) for _press in range(2)] == [True, False]


@pytest.mark.parametrize(("own_days", "words"), [(-2, "un geste suffit"), (900, "Voir quel accord manque")])
def test_the_letter_at_the_end_tells_whose_agreement_has_ended(runtime, ending, session, own_days, words):
    ending(-1, own_days=own_days)
    terms.expire_due(runtime.work)
    letter = session.scalars(select(Notice).where(Notice.kind == NoticeKind.EXPIRED)).one()
    mail = letters.compose(session, letter, site=runtime.settings.site, link="http://portal.test/x")
    for part in (mail.text, mail.html):
        assert words in part
        assert ("Le remettre sur le site" in part) is (own_days < 0)


def test_an_answer_calls_off_the_letters_that_ask_for_it(runtime, ending, session):
    clip, rows = ending(20)
    asking.ask_ending(runtime.work)
    respond(runtime, rows["Malik"])
    states = set(session.scalars(select(Notice.state).where(Notice.clip_id == clip.id)))
    assert states == {NoticeState.CANCELLED}


# Another film --------------------------------------------------------------------------------------------


def test_those_who_agreed_are_told_once_of_another_film(runtime, named, session):
    clip, rows = named(MALIK, Named("Ada", "ada@mail.example"), LEO)
    for name in ("Malik", "Léo"):
        respond(runtime, rows[name], guardian="Nadia Haddad")
    told = []
    for later in (timedelta(hours=-1), timedelta(hours=1), timedelta(hours=1)):
        with runtime.work() as writing:
            film = writing.scalars(select(Film).where(Film.clip_id == clip.id)).one()
            film.ready_at = db_now(writing) + later
            asking.tell_of_new_film(writing, writing.get_one(Clip, clip.id), film)
        told.append(session.scalars(select(Notice.address).where(Notice.kind == "co_film_changed")).all())
        session.rollback()
    assert told == [[], [MALIK.email], [MALIK.email]]


def finish(runtime, clip):
    """The worker has made the newest film."""
    with runtime.work() as session:
        asked = select(Job.id).where(Job.clip_id == clip.id, Job.kind == "transcode", Job.state == "queued")
        held = leases.claim(session, session.scalars(asked).one())
    key = keys.made(clip.id, held.token, "360.mp4")
    files = [Stored("360.mp4", "mp4", key, "video/mp4", 100, "c" * 64)]
    with runtime.work() as session:
        assert processing.film_ready(session, held, files, Report(9.5, 640, 360))


def test_a_yes_given_while_another_film_is_made_is_about_the_one_that_could_be_watched(
    runtime, named, make, session
):
    clip, rows = named(MALIK, Named("Ada", "ada@mail.example"))
    send_another(runtime, make, clip)
    respond(runtime, rows["Malik"])
    finish(runtime, clip)
    respond(runtime, rows["Ada"])
    told = session.scalars(select(Notice.address).where(Notice.kind == "co_film_changed")).all()
    assert told == [MALIK.email]
    held = session.get_one(Clip, clip.id)
    assert [one.film_id for one in signatures.answers(session, held)] == [clip.film_id, held.film_id]


def test_a_no_given_while_another_film_is_made_holds_back_nothing_of_that_film(runtime, named, make, session):
    clip, rows = named(MALIK)
    send_another(runtime, make, clip)
    respond(runtime, rows["Malik"], "refuse")
    named_as(runtime, clip)
    assert signatures.of(session, clip) == []
