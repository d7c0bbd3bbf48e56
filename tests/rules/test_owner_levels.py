"""How sure we are of an owner: levels rise with a named proof, numbers are held against a list of orders."""

import pytest
from sqlalchemy import select

from config import ProofSettings
from portal import owner_levels, proofs
from portal.errors import Code, Unacceptable, Unavailable
from portal.lifecycle import Actor, ActorKind
from portal.models import AuditEvent, Clip, OwnerLevel

BY = Actor(ActorKind.MODERATOR, 7)


def raised(runtime, clip, level, **more):
    with runtime.work() as work:
        return owner_levels.raise_to(
            work, work.get_one(Clip, clip.id), level, by=BY, **{"method": "staff", **more}
        )


def test_a_level_rises_with_a_proof_that_says_what_when_and_by_whom(runtime, make, session):
    clip = make.clip()
    assert raised(runtime, clip, OwnerLevel.PURCHASE_PROVEN, reference=" invoice  seen ")
    (proof,) = owner_levels.proofs(session, clip.id)
    assert (proof.method, proof.reference, proof.actor_kind, proof.actor_id) == (
        "staff",
        "invoice seen",
        "moderator",
        7,
    )
    assert session.get_one(Clip, clip.id).owner_level == "purchase_proven"
    events = session.scalars(select(AuditEvent).where(AuditEvent.verb == "owner_level")).all()
    assert [one.detail for one in events] == [{"level": "purchase_proven", "method": "staff"}]


@pytest.mark.parametrize("level", [OwnerLevel.NOT_PROVEN, OwnerLevel.INVITED, OwnerLevel.PURCHASE_PROVEN])
def test_a_level_never_falls_nor_is_proven_twice(runtime, make, session, level):
    clip = make.clip(owner_level="purchase_proven")
    assert not raised(runtime, clip, level)
    assert session.get_one(Clip, clip.id).owner_level == "purchase_proven"
    assert owner_levels.proofs(session, clip.id) == []


@pytest.mark.parametrize(
    ("more", "field", "code"),
    [
        ({"method": " "}, "method", Code.PROOF_NEEDED),
        ({"reference": "x" * 81}, "reference", Code.TOO_LONG_TEXT),
    ],
)
def test_no_level_rises_without_a_named_proof(runtime, make, more, field, code):
    clip = make.clip()
    with pytest.raises(Unacceptable) as refusal:
        raised(runtime, clip, OwnerLevel.INVITED, **more)
    assert refusal.value.fields == {field: code}


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("Number;Email\nVF1-AB 12345;ada@mail.example\nX99999;\n", encoding="utf-8")
    return ProofSettings(orders_csv=str(path))


@pytest.mark.parametrize(
    ("number", "email", "reference"),
    [
        ("vf1ab12345", "Ada@Mail.example ", "…2345"),
        ("VF1 AB-12345", "ada@mail.example", "…2345"),
        ("x99999", "whoever@mail.example", "…9999"),
    ],
)
def test_a_number_of_the_list_proves_a_purchase_and_four_signs_of_it_are_kept(
    orders, number, email, reference
):
    assert proofs.prove(proofs.Claim(number, email), orders) == proofs.Proof("orders", reference)


@pytest.mark.parametrize(
    ("number", "email"),
    [
        ("vf1ab12345", "eve@mail.example"),
        ("vf1ab12345", ""),
        ("00000", "ada@mail.example"),
        ("12", ""),
        ("", ""),
    ],
)
def test_a_number_read_through_a_windscreen_proves_nothing(orders, number, email):
    assert proofs.prove(proofs.Claim(number, email), orders) is None


def test_a_list_that_was_changed_is_read_anew(orders, tmp_path):
    assert proofs.prove(proofs.Claim("NEW-12345"), orders) is None
    (tmp_path / "orders.csv").write_text("number\nNEW-12345\n", encoding="utf-8")
    assert proofs.prove(proofs.Claim("NEW-12345"), orders) is not None


def test_a_list_that_cannot_be_read_is_our_trouble_and_no_lie(tmp_path):
    with pytest.raises(Unavailable):
        proofs.prove(proofs.Claim("NEW-12345"), ProofSettings(orders_csv=str(tmp_path / "gone.csv")))


def test_without_a_list_no_check_is_switched_on():
    assert proofs.switched_on(ProofSettings()) == []
    assert "orders" in proofs.CHECKS
