"""Lists of customers: what is read, and what every bad line is told."""

import pytest

from portal import guest_lists
from portal.errors import Code, Unacceptable


def read(text, *, languages=("fr", "en", "de"), raw=None):
    return guest_lists.read(
        raw if raw is not None else text.encode(), languages=languages, lang="fr", this_year=2026
    )


def test_a_whole_line_is_read():
    (guest,) = read("email,first_name,product,since,language\nAda@Mail.example,Ada,Break,2021,de\n").guests
    assert (guest.line, guest.email, guest.first_name) == (2, "ada@mail.example", "Ada")
    assert (guest.product, guest.owned_since, guest.lang) == ("Break", 2021, "de")


@pytest.mark.parametrize(
    "text",
    [
        "Courriel;Prénom;Modèle;Depuis;Langue\nada@mail.example;Ada;Break;2021;allemand\n",
        "E-Mail\tVorname\tModell\tSeit\tSprache\nada@mail.example\tAda\tBreak\t2021\tDeutsch\n",
        "\ufeffemail,prenom,produit,annee,langue\r\nada@mail.example,Ada,Break,2021-05-03,de-AT\r\n",
    ],
)
def test_headings_may_be_in_three_languages_with_semicolons_tabs_or_a_mark_in_front(text):
    (guest,) = read(text).guests
    assert (guest.email, guest.first_name, guest.owned_since, guest.lang) == (
        "ada@mail.example",
        "Ada",
        2021,
        "de",
    )


def test_a_list_as_excel_saves_it_is_read_with_its_accents():
    (guest,) = read("", raw="Courriel;Prénom\r\nada@mail.example;Zoé\r\n".encode("cp1252")).guests
    assert guest.first_name == "Zoé"


def test_two_faults_in_one_line_are_one_line_of_those_that_may_come(monkeypatch):
    monkeypatch.setattr(guest_lists, "MOST_LINES", 2)
    found = read("email,since\nnobody,never\nada@mail.example,2021\n")
    assert (len(found.faults), len(found.guests)) == (2, 1)
    with pytest.raises(Unacceptable):
        read("email\na@mail.example\nb@mail.example\nc@mail.example\n")


def test_the_email_alone_is_enough_and_empty_lines_do_not_count():
    found = read("email\n\nada@mail.example\n\n")
    assert [(one.line, one.lang) for one in found.guests] == [(3, "fr")]


def test_every_bad_line_is_named_with_its_column_and_its_reason():
    found = read(
        "email,first_name,since,language\n"
        "good@mail.example,Ada,2020,fr\n"
        "nobody,Ada,2020,fr\n"
        ",Ada,2020,fr\n"
        f"a@mail.example,{'x' * 41},2020,fr\n"
        "b@mail.example,Ada,20,fr\n"
        "c@mail.example,Ada,2031,xx\n"
        "d@mail.example,Ada,2020,fr,more\n"
    )
    assert [one.line for one in found.guests] == [2]
    assert [(one.line, one.column, one.code) for one in found.faults] == [
        (3, "email", Code.WRONG_EMAIL),
        (4, "email", Code.REQUIRED),
        (5, "first_name", Code.TOO_LONG_TEXT),
        (6, "since", Code.WRONG_DATE),
        (7, "since", Code.WRONG_DATE),
        (7, "language", Code.UNKNOWN_LANGUAGE),
        (8, "", Code.INVALID),
    ]


def test_columns_that_mean_nothing_to_us_are_told():
    assert read("email,shoe size\nada@mail.example,38\n").ignored == ("shoe size",)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        "prénom\nAda\n".encode(),
        b"email,mail\na@mail.example,b@mail.example\n",
        # A letter that Windows has not, either.
        b"email\nandr\x81@mail.example\n",
        b'email\n"ada@mail.example\n',
    ],
)
def test_what_is_no_list_is_refused_whole(raw):
    with pytest.raises(Unacceptable) as raised:
        read("", raw=raw)
    assert raised.value.code is Code.NOT_A_LIST
