"""What a clip is found by: words without case and accents, each of them."""

import pytest
from sqlalchemy import select

from portal import search
from portal.models import Clip, State


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Été à l’Étang", "ete a l etang"),
        ("STRASSE Straße", "strasse strasse"),
        ("Cœur, œuvre", "coeur oeuvre"),
        ("  Saint-Malo  ", "saint malo"),
        ("100 % électrique", "100 electrique"),
        ("فيلم", "فيلم"),
        ("", ""),
    ],
)
def test_text_is_folded_to_plain_words(text: str, folded: str) -> None:
    assert search.fold(text) == folded


def found(session, query: str) -> list[str]:
    return sorted(session.scalars(select(Clip.title).where(search.condition(query))))


def test_every_word_must_be_in_title_city_or_first_name(make, runtime) -> None:
    nadia = make.clip(State.PUBLISHED, title="Premier été", city="Nîmes", first_name="Zoé")
    make.clip(State.PUBLISHED, title="Premier hiver", city="Lille", first_name="Paul")
    with runtime.work() as session:
        clip = session.get_one(Clip, nadia.id)
        assert search.text_of(clip) == "premier ete nimes zoe"
    with runtime.read() as session:
        assert found(session, "PREMIER nimes") == ["Premier été"]
        assert found(session, "été zoe") == ["Premier été"]
        assert found(session, "premier") == ["Premier hiver", "Premier été"]
        assert found(session, "premier nimes paul") == []


def test_signs_of_the_pattern_language_mean_nothing(make, runtime) -> None:
    make.clip(State.PUBLISHED, title="Premier hiver")
    with runtime.read() as session:
        assert found(session, "%") == ["Premier hiver"]
        assert found(session, "%z_") == []


def test_a_long_text_fits_its_column(make, runtime) -> None:
    made = make.clip(State.PUBLISHED, title="ß" * 80, city="ß" * 60, first_name="ß" * 40)
    with runtime.work() as session:
        assert len(search.text_of(session.get_one(Clip, made.id))) == search.TEXT_CHARACTERS
