"""What moderators see of signals: sentences with times, marks that lead there, in the queue and in the API."""

import re

from portal.database import db_now
from portal.models import Film, Note, Signal, State

BLACK = "L’image est noire de %(at)s à %(until)s."
SAME = "C’est exactement le même fichier que celui d’un autre clip."


def with_signals(make, runtime, *found, good=None, **columns):
    clip = make.clip(**columns)
    with runtime.work() as session:
        film = session.get_one(Film, clip.film_id)
        film.signals_at = db_now(session)
        film.facts = {
            **film.facts,
            "looked": {"good": good or {}, "failed": {}},
            "voice": [50] * 200,
        }
        for kind, says, at, until, facts in found:
            session.add(
                Signal(
                    clip_id=clip.id,
                    film_id=film.id,
                    kind=kind,
                    at_seconds=at,
                    until_seconds=until,
                    facts={**facts, "says": says},
                    made_at=db_now(session),
                )
            )
    return clip


def page_of(client, clip):
    return " ".join(client.get(f"/studio/review/{clip.id}").text.split())


def test_before_the_checks_are_done_the_page_says_so(moderator_client, make):
    assert "Vérifications en cours." in page_of(moderator_client, make.clip())


def test_a_film_without_signals_has_nothing_particular(moderator_client, make, runtime):
    page = page_of(
        moderator_client, with_signals(make, runtime, good={"black": "Aucun passage noir."}, title="Sage")
    )
    assert "Rien de particulier." in page
    assert '<span class="sr">Bon : </span>Aucun passage noir.' in page


def test_signals_are_sentences_by_time_with_links_that_work_without_script(moderator_client, make, runtime):
    clip = with_signals(
        make, runtime, ("frozen", "Plus tard à %(at)s.", 9.0, None, {}), ("black", BLACK, 2.0, 5.2, {})
    )
    page = page_of(moderator_client, clip)
    assert page.rindex("L’image est noire de 0:02 à 0:05.") < page.rindex("Plus tard à 0:09.")
    listed = re.findall(r'<a class="num" href="\?t=(\d+)#player" data-signal data-at="([\d.]+)">', page)
    assert listed == [("2", "2.0"), ("9", "9.0")]
    marks = re.findall(r'<rect class="hit" x="([\d.]+)"', page)
    assert marks == ["133.3", "600.0"]


def test_notes_stand_on_the_timeline_too(moderator_client, make, runtime):
    clip = with_signals(make, runtime)
    with runtime.work() as session:
        session.add(Note(clip_id=clip.id, at_seconds=6.0, words="Voir", made_at=db_now(session)))
    assert '<rect class="noted" x="400.0"' in page_of(moderator_client, clip)


def test_a_duplicate_names_the_other_clip_until_its_owner_takes_it_back(moderator_client, make, runtime):
    other = make.clip(State.REJECTED, title="Le premier envoi")
    clip = with_signals(make, runtime, ("duplicate", SAME, None, None, {"clip": other.id, "what": "file"}))
    page = page_of(moderator_client, clip)
    assert f'<a href="/studio/review/{other.id}">« Le premier envoi »</a>' in page
    assert "autre auteur" in page
    assert "1 à vérifier" in moderator_client.get("/studio/review").text
    taken = make.clip(State.WITHDRAWN, title="Repris")
    clip = with_signals(
        make, runtime, ("duplicate", SAME, None, None, {"clip": taken.id, "what": "file"}), title="Seul"
    )
    page = page_of(moderator_client, clip)
    assert taken.id not in page
    assert "Rien de particulier." in page


def test_a_title_in_a_signal_is_no_markup(moderator_client, make, runtime):
    other = make.clip(title="<b>gras</b>")
    clip = with_signals(make, runtime, ("duplicate", SAME, None, None, {"clip": other.id, "what": "file"}))
    assert "<b>gras</b>" not in page_of(moderator_client, clip)


def test_the_queue_counts_signals(moderator_client, make, runtime):
    make.clip(title="Sans")
    with_signals(make, runtime, ("black", BLACK, 1.0, 2.0, {}), ("black", BLACK, 4.0, 6.0, {}))
    page = moderator_client.get("/studio/review").text
    assert re.findall(r"(\d+) à vérifier</a>", page) == ["2"]


def test_the_api_tells_signals_with_figures_and_sentence(client, make, runtime, reviewer):
    clip = with_signals(make, runtime, ("black", BLACK, 2.0, 5.2, {"seconds": 3.2}))
    told = client.get(f"/api/v1/review/{clip.id}", headers=reviewer).json
    assert told["signals_state"] == "done"
    assert told["signals"] == [
        {
            "kind": "black",
            "at_seconds": 2.0,
            "until_seconds": 5.2,
            "sentence": "L’image est noire de 0:02 à 0:05.",
            "facts": {"seconds": 3.2},
        }
    ]


def test_a_link_to_a_time_lets_the_film_begin_there_without_script(moderator_client, make):
    clip = make.clip()
    page = moderator_client.get(f"/studio/review/{clip.id}?t=7").text
    assert re.search(r'<source src="[^"]+#t=7"', page)
