"""The words people agree to: shipped, an administrator's, and what was really read."""

import pytest
from sqlalchemy import select

from portal import consent, wordings
from portal.errors import Code, Unacceptable
from portal.models import Campaign, Clip, Consent, ConsentText, State


def write(runtime, sentence, full="Le texte entier.", *, purpose="site", variant="", lang="fr"):
    with runtime.work() as session:
        wordings.write(session, purpose, lang, sentence, full, variant=variant)


def give(runtime, clip):
    with runtime.work() as session:
        consent.give(session, session.get_one(Clip, clip.id), {"site"}, lang="fr", via="site", brand="Solène")


def test_the_campaigns_term_stands_in_the_words(session, make):
    make.campaign(term_months=6)
    campaign = session.scalars(select(Campaign)).one()
    words = wordings.in_force(session, "site", "fr", brand="Solène", campaign=campaign)
    assert "pendant 6 mois" in words.sentence


def test_a_campaigns_own_words_come_before_the_portals(runtime, make, session):
    make.campaign()
    write(runtime, "Pour le portal {brand}.")
    write(runtime, "Pour cet appel, {months} mois.", variant="quotidien")
    campaign = session.scalars(select(Campaign)).one()
    mine = wordings.in_force(session, "site", "fr", brand="Solène", campaign=campaign)
    everybodys = wordings.in_force(session, "site", "fr", brand="Solène")
    assert (mine.sentence, everybodys.sentence) == ("Pour cet appel, 24 mois.", "Pour le portal Solène.")


def test_a_new_text_never_changes_what_was_agreed_to(runtime, make, session):
    first, second = (make.clip(State.DRAFT, consents=()) for _clip in range(2))
    give(runtime, first)
    write(runtime, "D’autres mots.")
    give(runtime, second)
    texts = {
        clip_id: (text.version, text.body.splitlines()[0])
        for clip_id, text in session.execute(select(Consent.clip_id, ConsentText).join(Consent.text))
    }
    assert texts[first.id][0] == 1
    assert texts[second.id] == (2, "D’autres mots.")
    counts = {one.text.version: one.count for one in wordings.versions(session, "fr")["site"]}
    assert counts == {1: 1, 2: 1}


def test_two_campaigns_with_terms_of_their_own_have_texts_of_their_own(runtime, make, session):
    make.campaign(term_months=6)
    clip, other = (make.clip(State.DRAFT, consents=()) for _clip in range(2))
    make.campaign("hiver", term_months=12)
    with runtime.work() as writing:
        winter = writing.scalars(select(Campaign).where(Campaign.slug == "hiver")).one()
        writing.get_one(Clip, other.id).campaign_id = winter.id
    for one in (clip, other, make.clip(State.DRAFT, consents=())):
        give(runtime, one)
    stored = session.execute(select(ConsentText.variant, ConsentText.version).order_by(ConsentText.version))
    assert [tuple(row) for row in stored] == [("quotidien", 1), ("hiver", 2)]


def test_empty_words_lead_back_to_the_shipped_ones(runtime, session):
    write(runtime, "À nous.")
    write(runtime, "", "")
    assert wordings.in_force(session, "site", "fr", brand="Solène") == wordings.shipped(
        "site", "fr", brand="Solène"
    )


@pytest.mark.parametrize(
    ("sentence", "full", "faults"),
    [
        ("", "Texte.", {"sentence": Code.REQUIRED}),
        ("Phrase.", "x" * 4001, {"full": Code.TOO_LONG_TEXT}),
        ("Pour {owner}.", "Texte.", {"sentence": Code.UNKNOWN_PLACE}),
    ],
)
def test_words_that_cannot_be_shown_are_refused_by_field(runtime, sentence, full, faults):
    with pytest.raises(Unacceptable) as refused:
        write(runtime, sentence, full)
    assert refused.value.fields == faults


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unix socket", ""),
        ("", ""),
    ],
)
def test_of_an_address_only_the_network_is_kept(address, network):
    assert consent.network_of(address) == network


def test_a_proof_holds_no_link_and_no_long_program_name():
    proof = consent.proof_of(token="t" * 43, address=None, agent="A  b\n" + "c" * 300)
    assert len(proof.link) == 16
    assert "t" * 8 not in proof.link
    assert len(proof.agent) == 200
    assert proof.agent.startswith("A b c")


def test_a_consent_carries_its_proof_and_the_language_it_was_read_in(runtime, make, session):
    clip = make.clip(State.DRAFT, consents=())
    proof = consent.proof_of(token="t" * 43, address="203.0.113.9", agent="Phone/1", lang="en")
    with runtime.work() as writing:
        held = writing.get_one(Clip, clip.id)
        consent.give(writing, held, {"site"}, lang="fr", via="site", brand="Solène", proof=proof)
    row = session.scalars(select(Consent).where(Consent.clip_id == clip.id)).one()
    assert (row.link, row.address, row.agent) == (proof.link, "203.0.113.0/24", "Phone/1")
    assert session.get_one(ConsentText, row.text_id).lang == "en"
