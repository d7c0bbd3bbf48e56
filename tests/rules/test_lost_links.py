"""An invited guest who lost the letter, or the page of the clip that was begun with it."""

from sqlalchemy import select, update

from portal import invitations, letters
from portal.models import Clip, Notice, State
from portal.submission import Texts
from tests.rules.test_invitations import begin, send, take, token_of


def test_whoever_asks_for_the_link_and_begins_on_one_day_gets_both_letters(runtime, make, session):
    make.campaign()
    take(runtime, "email\nada@mail.example\n")
    send(runtime)
    token = token_of(runtime)

    def ask():
        with runtime.work() as work:
            return invitations.ask_again(work, invitations.by_token(work, token))

    assert ask()
    clip = begin(runtime, token, Texts(email="ada@mail.example"))
    with runtime.work() as work:
        # Core, as tests set the stage: the film has come and was refused.
        work.execute(update(Clip).where(Clip.id == clip.id).values(state=State.REJECTED))
    assert ask()
    told = session.scalars(select(Notice).where(Notice.clip_id == clip.id)).one()
    # Nothing was received, and nobody will answer in two days.
    assert told.kind == "fresh_link"
    mail = letters.compose(session, told, site=runtime.settings.site, link="http://portal.test/")
    assert "expiré" not in mail.text + mail.html
