"""How sure we are of an owner: levels rise with a named proof, numbers are held against a list of orders."""

import shutil
import subprocess
import sys

import pytest
from sqlalchemy import select

from config import ROOT, ProofSettings
from portal import owner_levels, proofs
from portal.errors import Code, Unacceptable, Unavailable
from portal.lifecycle import OWNER, Actor, ActorKind
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


OWN_CHECK = """
from portal.proofs.claims import Check, Proof

CHECK = Check("garage", lambda settings: True, lambda claim, settings: Proof("garage", claim.number[:2]))
"""
ASK = """
import sys
import portal
from config import ProofSettings

portal.__path__.insert(0, sys.argv[1])
from portal import proofs

print(proofs.switched_on(ProofSettings()), proofs.prove(proofs.Claim("AB123"), ProofSettings()))
"""


def test_a_file_beside_the_others_is_a_check(tmp_path):
    """On a copy of the folder, in a process of its own: checks are found when the portal starts."""
    folder = tmp_path / "proofs"
    shutil.copytree(ROOT / "portal" / "proofs", folder)
    (folder / "garage.py").write_text(OWN_CHECK, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['garage'] Proof(method='garage', reference='AB')"


# Another owner -------------------------------------------------------------------------------------------


def let_go(runtime, clip):
    with runtime.work() as work:
        return owner_levels.let_go(work, work.get_one(Clip, clip.id), by=OWNER)


def test_what_was_checked_about_an_address_ends_with_it(runtime, make, session):
    clip = make.clip()
    raised(runtime, clip, OwnerLevel.PURCHASE_PROVEN, method="orders", reference="…2345")
    assert [let_go(runtime, clip) for _again in range(2)] == [True, False]
    assert session.get_one(Clip, clip.id).owner_level == "not_proven"
    assert owner_levels.proofs(session, clip.id) == []
    levels = select(AuditEvent).where(AuditEvent.verb == "owner_level")
    told = session.scalars(levels.order_by(AuditEvent.id)).all()
    assert told[-1].detail == {"level": "not_proven", "method": "other_owner"}


def test_what_a_colleague_has_seen_stays(runtime, make, session):
    clip = make.clip()
    raised(runtime, clip, OwnerLevel.INVITED, reference="carte vue")
    raised(runtime, clip, OwnerLevel.PURCHASE_PROVEN, method="orders")
    let_go(runtime, clip)
    assert session.get_one(Clip, clip.id).owner_level == "invited"
    assert [one.method for one in owner_levels.proofs(session, clip.id)] == ["staff"]
