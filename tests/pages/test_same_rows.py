"""The form, the API and the import are three doors to one room: the same words end in the same rows."""

import json
import re

import pytest
from sqlalchemy import select

from portal import importing
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, ClipTheme, Consent, Person
from tests.letters_in import FILM

TOLD = {
    "email": "lea@mail.example",
    "first_name": "Léa",
    "title": "Lille – Biarritz",
    "speech_lang": "fr",
    "city": "Lille",
    "product": "Solène 3",
    "owned_since": 2024,
    "music": "none",
    "altered": True,
}
# What differs by its nature: which clip, when, by which door.
OWN = {"id", "state", "state_since", "created_at", "version", "channel"}


def by_form(client, _runtime, _tmp_path):
    page = client.get("/fr/participate/quotidien")
    token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
    told = {
        **TOLD,
        "altered-asked": "1",
        "owned_since": "2024",
        "themes": ["famille"],
        "token": token,
        "consents.site": "1",
    }
    assert client.post_form("/fr/participate/quotidien", told | {"consents.adult": "1"}).status_code == 303


def by_api(client, _runtime, _tmp_path):
    told = {**TOLD, "campaign": "quotidien", "themes": ["famille"], "consents": {"site": True, "adult": True}}
    assert client.post("/api/v1/submissions", json=told).status_code == 201


def by_import(_client, runtime, tmp_path):
    (tmp_path / "film.mp4").write_bytes(FILM)
    (tmp_path / "side.json").write_text(
        json.dumps([
            {**TOLD, "file": "film.mp4", "themes": ["famille"], "consents": {"site": True, "adult": True},
             "campaign": "quotidien", "proof": "Contrat papier 12"}
        ])
    )  # fmt: skip
    (wish,) = importing.wishes([], tmp_path / "side.json", {}, default_lang="fr")
    assert importing.bring(runtime, wish, by=Actor(ActorKind.ADMIN)).error is None


@pytest.fixture
def rows(client, runtime, make, tmp_path):
    """What a door leaves behind."""
    make.campaign()
    theme = make.theme("famille")

    def left(door):
        door(client, runtime, tmp_path)
        with runtime.read() as session:
            clip = session.scalars(select(Clip)).one()
            columns = {name.key: getattr(clip, name.key) for name in Clip.__table__.columns}
            assert session.scalars(select(ClipTheme.theme_id)).all() == [theme.id]
            given = session.execute(select(Consent.purpose, Consent.text_id).order_by(Consent.purpose)).all()
            person = session.scalars(select(Person)).one()
        kept = {name: value for name, value in columns.items() if name not in OWN}
        kept["consent_until"] = kept["consent_until"].date() if kept["consent_until"] else None
        return (
            kept,
            [tuple(one) for one in given],
            (person.id, person.email, person.lang, person.confirmed_at),
        )

    return left


@pytest.mark.parametrize("door", [by_form, by_api, by_import], ids=["form", "api", "import"])
def test_the_same_words_end_in_the_same_rows(rows, door):
    kept, given, person = rows(door)
    assert [purpose for purpose, _text in given] == ["adult", "site"]
    assert {name: kept[name] for name in TOLD if name != "email"} == {
        name: value for name, value in TOLD.items() if name != "email"
    }
    assert (kept["lang"], kept["incentive"], kept["relation"], kept["owner_level"]) == (
        "fr",
        "",
        "",
        "not_proven",
    )
    assert {"biarritz", "lea", "lille"} <= set(kept["search_text"].split())
    assert person[1:] == ("lea@mail.example", "fr", None)
