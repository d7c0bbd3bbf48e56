"""What moderators correct of an owner's words: who is told of it, and where it is written down."""

import pytest
from sqlalchemy import select

from portal import gallery, i18n, publications, review, thread
from portal.cards import Presentation
from portal.errors import Code, Unacceptable
from portal.i18n import gettext as _
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import AuditEvent, Clip, Decision, Job, Note, Notice, NoticeState, State
from portal.notices import NoticeKind
from portal.typography import french
from tests.factories import act

FORMER = "Six heures, le Galibier pour nous seuls"
TOLD = (
    "Nous avons corrigé le titre de votre clip : c’était « %(former)s », c’est maintenant « %(title)s ». "
    "Si vous ne le voulez pas, répondez à ce message : nous remettrons le vôtre."
)


@pytest.fixture
def by(moderator):
    return Actor(ActorKind.MODERATOR, moderator.id)


@pytest.fixture
def do(runtime, by):
    """One act of a moderator on the version that stands, in a unit of work of its own."""

    def done(clip, verb, **words):
        version = runtime_version(runtime, clip)
        return act(runtime, getattr(review, verb), clip, by=by, seen_version=version, **words)

    return done


def runtime_version(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id).version


def messages(runtime, clip):
    with runtime.read() as session:
        return [(one.author, one.words) for one in thread.of(session, session.get_one(Clip, clip.id))]


def told(former, title, lang="fr"):
    with i18n.language(lang):
        return [("moderator", _(TOLD, former=former, title=title))]


def publish(runtime, make, clip):
    """The worker's part, on the record."""
    with runtime.work() as session:
        wanted = select(Job.id).where(Job.clip_id == clip.id, Job.kind == JobKind.PUBLISH)
        claim = publications.leases.claim(session, session.scalars(wanted.where(Job.state == "queued")).one())
    with runtime.work() as session:
        publication, _files = publications.begun(session, claim)
        key = publication.id
    with runtime.work() as session:
        assert publications.published(session, claim, key)


def test_the_words_about_an_owner_are_corrected_under_a_public_clip_at_once(runtime, make, session, do):
    clip = make.clip(State.PUBLISHED, product="Solène 2", owned_since=2022)
    about = {"first_name": " Nadja ", "city": "", "product": "Solène 3", "owned_since": None}
    do(clip, "edit", about=about)
    show = Presentation(file_url=str, clip_url=lambda one, _slug: one, lang="fr", default_lang="fr")
    shown = gallery.one(session, clip.id, show=show)
    assert (shown.first_name, shown.city, shown.product, shown.owned_since) == ("Nadja", "", "Solène 3", None)
    assert session.get_one(Clip, clip.id).search_text == "six heures le galibier pour nous seuls nadja"


def test_what_they_were_is_a_note_for_colleagues_and_never_in_the_audit_trail(
    runtime, make, session, do, moderator
):
    clip = make.clip(State.PUBLISHED, owned_since=2022)
    do(clip, "edit", about={"first_name": "Nadja", "city": "Grenoble", "owned_since": None})
    (event,) = session.scalars(select(AuditEvent)).all()
    assert (event.verb, event.detail) == ("edit", {"fields": ["first_name", "owned_since"]})
    (note,) = session.scalars(select(Note)).all()
    assert note.author_id == moderator.id
    said = ("prénom : Nadia → Nadja", "depuis quelle année : 2022 → (rien)")
    assert note.words == " ; ".join(french(one) for one in said)
    assert messages(runtime, clip) == []


def test_every_fault_is_named_and_nothing_is_written(make, session, do):
    clip = make.clip()
    with pytest.raises(Unacceptable) as refused:
        do(clip, "edit", about={"first_name": " ", "city": "v" * 61, "owned_since": 1899})
    assert refused.value.fields == {
        "first_name": Code.REQUIRED, "city": Code.TOO_LONG_TEXT, "owned_since": Code.WRONG_DATE,
    }  # fmt: skip
    assert session.get_one(Clip, clip.id).city == "Grenoble"


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_owner_is_told_of_another_title_in_their_language_and_by_a_letter(
    runtime, make, session, do, lang
):
    clip = make.clip(State.PUBLISHED, lang=lang)
    do(clip, "edit", title="Le col")
    assert messages(runtime, clip) == told(FORMER, "Le col", lang)
    (letter,) = session.scalars(select(Notice)).all()
    assert (letter.kind, letter.state, letter.lang) == (NoticeKind.MESSAGE, NoticeState.WAITING, lang)


def test_a_slip_of_the_pen_is_corrected_without_a_word(runtime, make, session, do):
    clip = make.clip()
    do(clip, "edit", title="Six heures, le Galibier pour nous", is_typo=True)
    assert messages(runtime, clip) == []
    (event,) = session.scalars(select(AuditEvent)).all()
    assert event.detail == {"fields": ["title"], "typo": True}


def test_of_a_title_that_comes_with_the_approval_the_owner_is_told_when_it_is_published(
    runtime, make, session, do
):
    clip = make.clip()
    do(clip, "approve", delay=0.0, title="Le col")
    assert messages(runtime, clip) == []
    publish(runtime, make, clip)
    assert messages(runtime, clip) == told(FORMER, "Le col")
    assert session.scalars(select(Decision.title_was)).all() == [None]


def test_a_slip_of_the_pen_corrected_with_the_approval_is_told_to_nobody(runtime, make, do):
    clip = make.clip()
    do(clip, "approve", delay=0.0, title="Le col", is_typo=True)
    publish(runtime, make, clip)
    assert messages(runtime, clip) == []


def test_an_approval_that_is_taken_back_leaves_the_owners_title_and_nothing_to_tell(
    runtime, make, session, do, by
):
    clip = make.clip()
    do(clip, "approve", delay=0.0, title="Le col")
    act(runtime, review.undo, clip, by=by)
    row = session.get_one(Clip, clip.id)
    assert (row.title, row.search_text.startswith("six heures")) == (FORMER, True)
    do(clip, "approve", delay=0.0)
    publish(runtime, make, clip)
    assert messages(runtime, clip) == []


def test_a_title_changed_twice_before_it_is_published_is_told_once_and_from_the_owners_own(runtime, make, do):
    clip = make.clip()
    do(clip, "approve", delay=0.0, title="Le col")
    do(clip, "edit", title="Le col, à l’aube")
    publish(runtime, make, clip)
    assert messages(runtime, clip) == told(FORMER, "Le col, à l’aube")
