"""The outbox in the studio: what waits, what failed and why, and sending it again."""

import pytest
from sqlalchemy import select, update

from portal import notices
from portal.database import db_now
from portal.models import Clip, Notice, NoticeState
from portal.notices import NoticeKind


@pytest.fixture
def clip(make):
    return make.clip(title="Six heures au col", owner=make.person("nadia@mail.example"))


@pytest.fixture
def letter(runtime, clip):
    """Puts a letter into the outbox, in a state."""

    def put(kind=NoticeKind.REJECTED, **values):
        with runtime.work() as session:
            row = session.get_one(Clip, clip.id)
            notice = notices.tell(session, kind, row, occasion=f"test:{kind}:{len(values)}")
            if values:
                session.execute(update(Notice).where(Notice.id == notice.id).values(**values))
            return notice.id

    return put


FAILED = {"state": NoticeState.FAILED, "attempt": 8, "error_detail": "550 <nadia@mail.example> unknown"}


def state_of(runtime, notice_id):
    with runtime.read() as session:
        notice = session.get_one(Notice, notice_id)
        return notice.state, notice.attempt, notice.run_after <= db_now(session)


def test_an_empty_outbox_says_so(admin_client):
    assert "Aucune lettre n’attend." in admin_client.get("/studio/outbox").text
    for state, words in (("failed", "Toutes les lettres sont parties."), ("sent", "encore partie")):
        assert words in admin_client.get(f"/studio/outbox?state={state}").text


def test_failed_letters_come_first_with_the_reason_and_the_address_for_administrators(admin_client, letter):
    letter(**FAILED)
    page = admin_client.get("/studio/outbox").text
    for part in ("Refus", "Six heures au col", "nadia@mail.example", "550", "8 essais"):
        assert part in page


def test_moderators_see_the_letter_and_no_address_not_even_in_the_servers_words(moderator_client, letter):
    letter(**FAILED)
    page = moderator_client.get("/studio/outbox").text
    assert "Six heures au col" in page
    assert "nadia@mail.example" not in page
    assert "Le serveur de mail ne l’a pas prise." in page


def test_sending_again_tries_now_with_a_whole_day_before_it(moderator_client, runtime, bells, letter):
    notice_id = letter(**FAILED)
    bells.clear()
    for _ in range(2):
        assert moderator_client.post_form(f"/studio/outbox/{notice_id}/again").status_code == 303
    assert state_of(runtime, notice_id) == (NoticeState.WAITING, 0, True)
    # Asked twice, rung once: the second press found it on its way.
    assert [bell.subject for bell in bells] == [str(notice_id)]


@pytest.mark.parametrize("state", [NoticeState.SENT, NoticeState.CANCELLED, NoticeState.SENDING])
def test_a_letter_that_left_or_was_called_off_is_not_sent_again(moderator_client, runtime, letter, state):
    notice_id = letter(state=state, attempt=1)
    answer = moderator_client.post_form(f"/studio/outbox/{notice_id}/again", follow_redirects=True)
    assert "déjà partie, annulée ou en route" in answer.text
    assert state_of(runtime, notice_id)[0] == state


def test_a_letter_held_back_for_an_undo_cannot_be_hurried(moderator_client, runtime, letter):
    notice_id = letter()
    moderator_client.post_form(f"/studio/outbox/{notice_id}/again")
    with runtime.read() as session:
        assert session.scalars(select(Notice)).one().attempt == 0
    assert "Envoyer de nouveau" not in moderator_client.get("/studio/outbox?state=waiting").text


def test_letters_are_found_by_their_clips_words_and_id(admin_client, letter, clip):
    letter(**FAILED)
    for asked in ("galibier", "GRENOBLE", clip.id):
        page = admin_client.get("/studio/outbox", query_string={"q": asked}).text
        assert ("Six heures au col" in page) is (asked != "galibier")
    assert "Aucune lettre de ce genre" in admin_client.get("/studio/outbox?q=galibier").text


def test_the_bar_of_the_studio_counts_letters_that_did_not_leave(moderator_client, letter):
    letter(**FAILED)
    assert '<span class="num flagged">1</span>' in moderator_client.get("/studio/support").text


def test_the_outbox_is_for_staff(client, letter):
    assert client.get("/studio/outbox").location.startswith("/studio/login")
    assert client.post_form(f"/studio/outbox/{letter(**FAILED)}/again").location.startswith("/studio/login")


def test_a_letter_whose_address_is_forgotten_cannot_be_sent_again(admin_client, letter, runtime):
    nobody = {"person_id": None, "address": None, **FAILED}
    notice_id = letter(**nobody)
    page = admin_client.get("/studio/outbox?state=failed").text
    assert f"/studio/outbox/{notice_id}/again" not in page
    assert admin_client.post_form(f"/studio/outbox/{notice_id}/again").status_code == 303
    assert state_of(runtime, notice_id)[0] == NoticeState.FAILED
