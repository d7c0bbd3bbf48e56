"""Captions: a machine begins them, people have the last word, and nothing that a cut hides is shown or found."""

import pytest
from sqlalchemy import select

from portal import captions, cuts, gallery, lifecycle, review, submission, workers
from portal.cards import Presentation
from portal.cuts import Report
from portal.edits import EditList, Passage
from portal.errors import Code, Conflict, Missing, Unacceptable
from portal.jobs import JobKind
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import AuditEvent, Caption, Clip, Cut, CutState, Film, Job, JobState, State
from portal.submission import Texts
from portal.webvtt import Cue
from tests.factories import act

TEXT = "WEBVTT\n\n00:01.000 --> 00:03.000\nOn part\n\n00:04.000 --> 00:06.000\nÀ l’aube"
CUES = [Cue(1.0, 3.0, "On part"), Cue(4.0, 6.0, "À l’aube")]
WORDS = [(1.0, 1.8, " On"), (2.0, 3.0, " part"), (4.0, 4.4, " À"), (4.5, 6.0, " l’aube")]


@pytest.fixture
def clip(make):
    return make.clip(State.IN_REVIEW)


@pytest.fixture
def by(moderator):
    return Actor(ActorKind.MODERATOR, moderator.id)


@pytest.fixture
def at_work(runtime, clip, by):
    return At(runtime, clip, by)


class At:
    """The rules on one clip, each in a unit of work of its own."""

    def __init__(self, runtime, clip, by):
        self.runtime, self.clip, self.by = runtime, clip, by

    def _do(self, rule, *args, **options):
        with self.runtime.work() as session:
            return rule(session, session.get_one(Clip, self.clip.id), *args, **options)

    def replace(self, said=TEXT, lang="fr", version=0, **options):
        return self._do(captions.replace, lang, said, **{"by": self.by, "seen_version": version, **options})

    def check(self, version, **options):
        return self._do(captions.check, "fr", **{"by": self.by, "seen_version": version, **options})

    def delete(self, version):
        return self._do(captions.delete, "fr", by=self.by, seen_version=version)

    def machine(self, cues=CUES, words=WORDS, origin=captions.SPEECH, lang="fr"):
        with self.runtime.work() as session:
            film = session.get_one(Film, self.clip.film_id)
            return captions.from_machine(session, film, lang, origin, cues, words)

    def shown(self, edits=None):
        with self.runtime.read() as session:
            clip = session.get_one(Clip, self.clip.id)
            cut = None if edits is None else Cut(edits=edits.as_json())
            return captions.shown(session, clip, cut)

    def row(self, lang="fr"):
        with self.runtime.read() as session:
            return captions.one(session, session.get_one(Clip, self.clip.id), lang)

    def verbs(self):
        with self.runtime.read() as session:
            asked = select(AuditEvent.verb).where(AuditEvent.clip_id == self.clip.id).order_by(AuditEvent.id)
            return list(session.scalars(asked))


def test_a_person_writes_the_first_captions(at_work):
    row = at_work.replace()
    assert (row.version, row.origin, row.touched_at is not None, row.checked_at) == (1, "person", True, None)
    assert captions.cues_of(at_work.row()) == CUES
    assert at_work.verbs() == ["captions_edit"]


def test_what_a_machine_heard_is_kept_with_its_words_and_can_be_searched(at_work):
    assert at_work.machine()
    row = at_work.row()
    assert (row.origin, row.touched_at, row.words[1]) == ("speech", None, [2.0, 3.0, " part"])
    assert row.text == "on part a l aube"


def test_a_machine_that_hears_the_same_again_changes_nothing(at_work):
    assert at_work.machine()
    assert not at_work.machine()
    assert at_work.verbs() == ["captions_made"]


@pytest.mark.parametrize("touch", ["replace", "check"])
def test_a_machine_never_writes_over_a_person(at_work, touch):
    at_work.machine([Cue(0.0, 1.0, "Entendu")])
    getattr(at_work, touch)(version=1)
    before = at_work.row().cues
    for origin in (captions.SPEECH, captions.EMBEDDED):
        assert not at_work.machine([Cue(0.0, 1.0, "Autre")], origin=origin)
    assert at_work.row().cues == before


def test_captions_found_in_the_file_come_before_those_that_were_heard(at_work):
    at_work.machine()
    assert at_work.machine([Cue(0.0, 1.0, "Écrit")], origin=captions.EMBEDDED, words=())
    assert not at_work.machine()
    assert (at_work.row().origin, at_work.row().checked_at) == ("embedded", None)


@pytest.mark.parametrize("lang", ["", "a/b?<x>", "FR", "fr-FR", "f" * 200])
def test_a_strangers_word_for_a_language_is_kept_by_nobody(at_work, lang):
    assert not at_work.machine(lang=lang, origin=captions.EMBEDDED)


def asked(runtime, clip):
    with runtime.read() as session:
        is_open = (Job.clip_id == clip.id, Job.state == JobState.QUEUED)
        return sorted(session.scalars(select(Job.kind).where(*is_open)))


def declare(runtime, clip, lang):
    with runtime.work() as session:
        submission.edit(session, session.get_one(Clip, clip.id), Texts(speech_lang=lang), by=OWNER)


def test_a_language_declared_after_the_film_is_held_against_what_is_heard(runtime, at_work):
    with runtime.work() as session:
        captions.heard(session, session.get_one(Film, at_work.clip.film_id), "en", 0.97)
    at_work.machine()
    declare(runtime, at_work.clip, "fr")
    assert asked(runtime, at_work.clip) == []
    declare(runtime, at_work.clip, "de")
    assert asked(runtime, at_work.clip) == [JobKind.SIGNALS]


def test_a_film_that_nobody_could_hear_is_heard_once_its_language_is_known(runtime, make):
    clip = make.clip(State.IN_REVIEW, speech_lang="")
    declare(runtime, clip, "de")
    assert asked(runtime, clip) == []
    make.worker("ear", speech=workers.READY)
    declare(runtime, clip, "en")
    assert asked(runtime, clip) == [JobKind.CAPTIONS]


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.REJECTED])
def test_a_machine_that_comes_too_late_leaves_nothing_behind(make, runtime, by, state):
    late = At(runtime, make.clip(state), by)
    assert not late.machine()
    with runtime.read() as session:
        assert session.scalars(select(Caption)).all() == []


def test_two_who_write_at_once_do_not_overwrite_one_another(at_work):
    at_work.machine([Cue(0.0, 1.0, "Entendu")])
    at_work.replace(version=1)
    with pytest.raises(Conflict) as refused:
        at_work.replace("00:00.000 --> 00:01.000\nMoi aussi", version=1)
    assert refused.value.facts["version"] == 2
    with pytest.raises(Conflict):
        at_work.replace(version=0)
    with pytest.raises(Conflict):
        at_work.delete(version=1)


def test_whoever_changes_captions_takes_the_check_off_them(at_work, moderator):
    at_work.replace()
    assert at_work.check(1).checked_by_id == moderator.id
    row = at_work.replace("00:00.000 --> 00:01.000\nAutre", version=2)
    assert (row.checked_at, row.checked_by_id, row.version) == (None, None, 3)


def test_a_check_can_be_taken_back(at_work):
    at_work.replace()
    at_work.check(1)
    assert at_work.check(2, is_checked=False).checked_at is None
    assert at_work.check(3, is_checked=False).version == 3
    assert at_work.verbs() == ["captions_edit", "captions_check", "captions_uncheck"]


def test_an_owner_proof_reads_with_the_owners_own_name(at_work, clip):
    at_work.replace(by=OWNER, states=captions.OWNERS)
    assert at_work.check(1, by=OWNER, states=captions.OWNERS).checked_by_id == clip.owner_id


def test_an_owner_changes_nothing_that_the_world_reads_already(make, runtime, by):
    published = At(runtime, make.clip(State.PUBLISHED), by)
    with pytest.raises(Conflict):
        published.replace(by=OWNER, states=captions.OWNERS)
    assert published.replace().version == 1


def test_a_change_raises_the_clips_version_so_that_nobody_decides_on_words_not_seen(at_work, runtime, clip):
    at_work.replace()
    with runtime.read() as session:
        assert session.get_one(Clip, clip.id).version == clip.version + 1


def test_captions_are_deleted_by_a_person(at_work):
    at_work.machine()
    at_work.delete(version=1)
    with pytest.raises(Missing):
        at_work.row()
    with pytest.raises(Missing):
        at_work.delete(version=0)


def test_a_language_that_nobody_speaks_is_refused(at_work):
    for lang in ("xx", "français", "", "../fr"):
        with pytest.raises(Unacceptable) as refused:
            at_work.replace(lang=lang)
        assert refused.value.fields == {"lang": Code.UNKNOWN_LANGUAGE}


def test_cues_given_one_by_one_are_held_against_the_film(at_work):
    with pytest.raises(Unacceptable) as refused:
        at_work.replace([(0.0, 1.0, "a"), (3.0, 2.0, "b"), (12.5, 13.0, "c")])
    assert refused.value.fields == {"cues.1": Code.WRONG_TIMES, "cues.2": Code.BEYOND_THE_FILM}
    row = at_work.replace([(0.0, 1.0, "<script>a</script> --> b"), (11.0, 20.0, "c")])
    assert row.cues == [[0.0, 1.0, "a --&gt; b"], [11.0, 12.0, "c"]]


def test_a_clip_without_a_film_has_no_captions(make, runtime, by):
    with pytest.raises(Missing):
        At(runtime, make.clip(State.DRAFT), by).replace()


def test_captions_follow_what_is_cut_out_before_them(at_work):
    at_work.machine()
    (track,) = at_work.shown(EditList(start=0.5, cuts=(Passage(3.2, 3.7),)))
    assert track.cues == (Cue(0.5, 2.5, "On part"), Cue(3.0, 5.0, "À l’aube"))


def test_captions_of_a_passage_that_is_cut_out_or_muted_are_gone(at_work):
    at_work.machine()
    for edits in (EditList(cuts=(Passage(0.9, 3.1),)), EditList(mutes=(Passage(1.0, 3.0),))):
        (track,) = at_work.shown(edits)
        assert [cue.text for cue in track.cues] == ["À l’aube"]
    assert at_work.shown(EditList(mutes=(Passage(0.0, 12.0),))) == []


def test_of_a_cue_that_is_hidden_in_part_only_the_words_that_can_be_heard_are_left(at_work):
    at_work.machine()
    (track,) = at_work.shown(EditList(mutes=(Passage(1.9, 3.0), Passage(4.4, 5.0))))
    assert [cue.text for cue in track.cues] == ["On […]", "À […]"]
    (track,) = at_work.shown(EditList(cuts=(Passage(2.0, 3.5),)))
    assert track.cues[0] == Cue(1.0, 2.0, "On […]")


def test_where_nobody_knows_when_a_word_is_said_a_cue_hidden_in_part_says_nothing(at_work):
    at_work.replace()
    (track,) = at_work.shown(EditList(mutes=(Passage(2.0, 3.0),)))
    assert [cue.text for cue in track.cues] == ["[…]", "À l’aube"]
    (track,) = at_work.shown(EditList(start=1.2))
    assert track.cues[0] == Cue(0.0, 1.8, "On part")


def test_a_word_that_the_adopted_cut_hides_cannot_be_searched_for_any_more(make, runtime, by):
    clip = make.clip(State.PUBLISHED)
    At(runtime, clip, by).machine()
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        cut = cuts.begin(session, row, EditList(mutes=(Passage(1.9, 3.0),)), origin="edit", by=by)
        cut.state, cut.seconds, cut.width, cut.height = CutState.MADE, 12.0, 640, 360
        session.flush()
        cuts.adopt(session, row, cut, by=by)
    assert At(runtime, clip, by).row().text == "on a l aube"


def test_captions_belong_to_their_film_and_not_to_the_next(at_work, runtime, clip):
    at_work.machine()
    with runtime.work() as session:
        session.get_one(Clip, clip.id).film_id = None
    assert at_work.shown() == []


def test_words_of_a_former_film_cannot_be_searched_for(at_work, runtime, make, clip):
    at_work.machine()
    act(runtime, cuts.first, clip, make.film(clip), [], Report(seconds=9.0, width=640, height=360))
    with runtime.read() as session:
        assert session.scalars(select(Caption.text)).all() == [""]


def test_a_very_long_speech_is_searched_by_its_first_words(at_work):
    words = " ".join(f"mot{n:04}" for n in range(70))
    assert at_work.machine([Cue(0.1 * n, 0.1 * n + 5, f"{words} {n}x") for n in range(30)], words=())
    at_work.machine([Cue(n, n + 1, " ".join(f"{n}é{m}" for m in range(99))) for n in range(11)], words=())
    text = at_work.row().text
    assert captions.MOST_SEARCHED - 20 < len(text.encode()) <= captions.MOST_SEARCHED
    assert text.startswith("0e0 0e1 ")


def test_visitors_find_a_clip_by_what_is_said_in_it(make, runtime, by):
    spoken, other = make.clip(State.PUBLISHED, title="La côte"), make.clip(State.PUBLISHED, title="Le col")
    hidden = make.clip(State.IN_REVIEW)
    for one in (spoken, hidden):
        At(runtime, one, by).machine()
    show = Presentation(str, "{}/{}".format, lang="fr", default_lang="fr")
    with runtime.read() as session:

        def found(q):
            page = gallery.find(session, gallery.Filter(q=q), show=show)
            figures = gallery.figures(session, gallery.Filter(q=q))
            assert page.total == figures.total == gallery.totals(session, [gallery.Filter(q=q)])[0]
            assert sum(figures.languages.values()) == page.total
            return {card.id for card in page.cards}

        assert found("aube") == {spoken.id}
        # One word from the title, one that is said.
        assert found("grenoble L’AUBE part") == {spoken.id}
        assert found("col aube") == set()
        assert found("grenoble") == {spoken.id, other.id}
        assert [
            card.has_captions for card in gallery.find(session, gallery.Filter(q="aube"), show=show).cards
        ] == [True]


def test_the_films_own_language_comes_first(at_work):
    at_work.replace(lang="de")
    at_work.replace(lang="fr")
    at_work.replace(lang="en")
    assert [track.lang for track in at_work.shown()] == ["fr", "de", "en"]


def test_one_knows_whether_captions_are_on_their_way(at_work, runtime, clip):
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        assert not captions.are_coming(session, row)
        lifecycle.enqueue(session, row, JobKind.CAPTIONS)
        assert captions.are_coming(session, row)


HEARD = {"looked": {"good": {"no_speech": "Quelqu’un semble parler."}, "failed": {}}}
MUTED = EditList(mutes=(Passage(0.0, 7.0),))


@pytest.fixture
def wanting(runtime, at_work, clip):
    """Whether approving would ask for checked captions, where the setting asks for any."""

    def asked(facts=None, edits=None):
        with runtime.work() as session:
            film = session.get_one(Film, clip.film_id)
            film.facts = {**film.facts, "duration_seconds": 7.0, **(facts or {})}
            if edits is not None:
                session.get_one(Cut, session.get_one(Clip, clip.id).cut_id).edits = edits.as_json()
            session.flush()
            return review.waits_for_captions(session, session.get_one(Clip, clip.id))

    return asked


@pytest.mark.parametrize(
    ("facts", "edits", "is_wanting"),
    [
        ({}, None, False),
        (HEARD, None, True),
        ({"heard_lang": "fr"}, None, True),
        (HEARD, MUTED, False),
        (HEARD, EditList(mutes=(Passage(0.0, 4.0),)), True),
    ],
    ids=["nobody speaks", "speech", "a language", "muted", "muted in part"],
)
def test_a_film_in_which_somebody_speaks_wants_captions(wanting, facts, edits, is_wanting):
    assert wanting(facts, edits) is is_wanting


def test_captions_are_wanting_until_a_person_has_checked_those_in_the_language_that_is_spoken(
    wanting, at_work
):
    at_work.machine()
    assert wanting()
    at_work.check(1)
    assert not wanting(HEARD)
    at_work.replace(TEXT.replace("On part", "Nous partons"), version=2)
    assert wanting(HEARD)


def test_checked_words_in_another_language_do_not_stand_for_those_that_are_spoken(runtime, wanting, at_work):
    at_work.replace(lang="en")
    act(runtime, captions.check, at_work.clip, "en", by=at_work.by, seen_version=1)
    assert not wanting(HEARD)
    at_work.machine()
    assert wanting(HEARD)


def test_words_that_are_cut_out_need_no_captions(wanting, at_work):
    at_work.machine()
    assert not wanting(HEARD, EditList(mutes=(Passage(0.5, 6.5),)))


def test_while_a_machine_listens_nobody_knows_whether_captions_are_wanting(runtime, wanting, clip):
    act(runtime, captions.listen, clip)
    assert wanting()
