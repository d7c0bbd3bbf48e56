"""French as it is set in type: what the rule does, what it leaves alone, and no sentence of the product escapes it."""

import email
import re
from email import policy

import pytest
from jinja2 import Environment

from config import MailSettings
from ops.translations import catalogue
from portal import i18n
from portal.mailer import Mailer
from portal.typography import french, on_one_line

# Signs that stand without a space: the name of a header, and how a time is written.
WITHOUT_A_SPACE = ("Authorization:", "m:ss")


def sentences():
    """Every sentence of the product as French people read it, its places unfilled."""
    for message in catalogue(i18n.SOURCE):
        if isinstance(message.id, tuple | list):
            for number in (1, 2):
                yield i18n.raw_ngettext(*message.id, number)
        elif message.id:
            yield i18n.raw_gettext(message.id)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("Qui ? Vous !", "Qui\u202f? Vous\u202f!"),
        ("Oui ; non : voilà.", "Oui\u202f; non\u00a0: voilà."),
        ("Dit « %(title)s ».", "Dit «\u00a0%(title)s\u00a0»."),
        ("« Où ? »", "«\u00a0Où\u202f?\u00a0»"),
        ("%(label)s : %(fault)s", "%(label)s\u00a0: %(fault)s"),
        ("à %(percent)s %%, et 5 % de plus", "à %(percent)s\u00a0%%, et 5\u00a0% de plus"),
        ("l'été d'%(name)s, aujourd'hui", "l’été d’%(name)s, aujourd’hui"),
        # Typed with care, and with the space of another sign.
        ("Lu\u00a0; vu\u202f: «\u202foui\u202f»", "Lu\u202f; vu\u00a0: «\u00a0oui\u00a0»"),
    ],
)
def test_a_sign_keeps_to_its_word_and_an_apostrophe_is_curved(typed, read):
    assert french(typed) == read
    assert french(read) == read


@pytest.mark.parametrize(
    "sentence",
    [
        "À 12:30, en 16:9.",
        "Voir https://portal.example/fr/c/x?tr=en;q=1",
        "%(done)s sur %(all)s %(unit)s",
        '<a href="/x" title="Ici : oui ? d\'accord">ici</a>',
        "Un&nbsp;mot &amp; un autre",
        "L’adresse ?page=2, le nom :id",
        "Oui: 'non'",
    ],
)
def test_places_markup_addresses_times_and_signs_without_a_space_stay(sentence):
    assert french(sentence) == sentence


def test_no_french_sentence_lets_a_sign_begin_a_line_or_has_a_straight_apostrophe():
    loose = re.compile(
        r" [;!?:»]| %(?!\()|« |[^\W\d_]'[^\W\d_]|[\u00a0](?=[;!?])|\u202f(?=[:»%])|(?<=«)\u202f"
    )
    assert [one for one in sentences() if loose.search(one)] == []


def test_no_french_sentence_forgets_the_space_of_a_sign():
    glued = re.compile(r"[^\s;!?…(][;!?»]|[^\s\d]:|\d:(?!\d)|«\S|[\w)]%%")
    told = [re.sub("|".join(WITHOUT_A_SPACE), "", one) for one in sentences()]
    assert [one for one in told if glued.search(one)] == []


def test_every_way_to_a_sentence_sets_it_and_leaves_what_people_typed():
    typed = "C'est « moi » ?"
    page = Environment(autoescape=True, extensions=["jinja2.ext.i18n"])
    page.install_gettext_callables(i18n.raw_gettext, i18n.raw_ngettext, newstyle=True)
    told = page.from_string('{{ _("Dit : %(title)s", title=typed) }}').render(typed=typed)
    assert told == "Dit\u00a0: C&#39;est « moi » ?"
    assert i18n.gettext("Dit : %(title)s", title=typed) == f"Dit\u00a0: {typed}"
    assert i18n.gettext("Dit :") == "Dit\u00a0:"
    assert i18n.ngettext("%(num)s : un", "%(num)s : des", 2) == "2\u00a0: des"


def test_other_languages_are_set_as_they_are_written():
    with i18n.language("en"):
        assert i18n.gettext("Said : « what's up » ?") == "Said : « what's up » ?"


def test_a_subject_is_one_line_and_arrives_with_its_spaces(tmp_path):
    subject = "Six heures\n au col\u00a0: «\u00a0y\u00a0» est\u202f?"
    settings = MailSettings(url="", sender="portal@brand.example", folder=tmp_path)
    Mailer(settings, sender_name="Vécu").send(
        to="nadia@mail.example", subject=subject, text="Prêt\u202f? Oui\u00a0: %\n", html="<p>Prêt\u202f?</p>",
        message_id="abc", lang="fr",
    )  # fmt: skip
    read = email.message_from_bytes((tmp_path / "abc.eml").read_bytes(), policy=policy.default)
    assert read["Subject"] == "Six heures au col\u00a0: «\u00a0y\u00a0» est\u202f?"
    assert read.get_body(("plain",)).get_content() == "Prêt\u202f? Oui\u00a0: %\n"


def test_any_break_becomes_one_plain_space():
    assert on_one_line("  Une\r\nligne\u2028et\x85 une\u00a0: autre\n") == "Une ligne et une\u00a0: autre"
