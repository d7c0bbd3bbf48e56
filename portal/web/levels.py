"""The owner level in the studio: what was checked, and raising it with a named proof; also what pages say of it."""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from portal import desk, owner_levels, people, proofs, reasons
from portal.errors import Code, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.models import Clip, OwnerLevel, Person
from portal.web.call_words import level_word, proof_word
from portal.web.db import reading, runtime, writing
from portal.web.limits import limiter
from portal.web.people import actor, guard_reviewers

bp = Blueprint("levels", __name__)
bp.before_request(guard_reviewers)


@bp.app_template_global()
def owner_level(level: str) -> str:
    """The level in words."""
    return level_word(level)


def owner_proof(clip_id: str, level: str) -> str:
    """How the level was checked, in one sentence; the same for everybody who may see the clip."""
    found = owner_levels.proofs(reading(), clip_id)
    return proof_word(next((one.method for one in found if one.level == level), ""), level)


def level_facts(clip: Clip) -> dict[str, Any]:
    """What the review sheet shows: the proof in a sentence, every proof with who and when, and the levels above."""
    work = reading()
    found = owner_levels.proofs(work, clip.id)
    names = people.names(work, {one.actor_id for one in found if one.actor_id is not None})
    at = owner_levels.ORDER.index(OwnerLevel(clip.owner_level))
    return {
        "sentence": owner_proof(clip.id, clip.owner_level),
        "proofs": [
            (level_word(one.level), proof_word(one.method, one.level), one, names.get(one.actor_id or 0, ""))
            for one in found
        ],
        "above": [(level.value, level_word(level)) for level in owner_levels.ORDER[at + 1 :]],
        "checks": proofs.switched_on(runtime().settings.proofs),
        "most": owner_levels.LONGEST["reference"],
    }


@bp.post("/studio/clips/<clip_id>/level")
@limiter.limit("30/minute")
def raise_level(clip_id: str) -> Response:
    """Raise a clip's owner level: by a number that is checked, or by a colleague's word on what was seen."""
    number = " ".join(request.form.get("number", "").split())[:40]
    try:
        with writing() as work:
            clip = desk.clip_by_id(work, clip_id)
            proof = _checked(clip, number) if number else _seen()
            wanted = OwnerLevel.PURCHASE_PROVEN if number else _level()
            raised = owner_levels.raise_to(
                work, clip, wanted, method=proof.method, reference=proof.reference, by=actor()
            )
    except PortalError as error:
        flash(reasons.sentence(error.code, **error.facts), "error")
    else:
        flash(_("Niveau relevé.") if raised else _("Ce niveau est déjà atteint."), "success")
    return redirect(url_for("review.sheet", clip_id=clip_id, _anchor="niveau"), 303)


def _level() -> OwnerLevel:
    told = request.form.get("level", "")
    if told not in owner_levels.ORDER:
        raise Unacceptable(Code.INVALID, fields={"level": Code.INVALID})
    return OwnerLevel(told)


def _seen() -> proofs.Proof:
    words = " ".join(request.form.get("reference", "").split())
    if not words:
        raise Unacceptable(Code.PROOF_NEEDED, fields={"reference": Code.PROOF_NEEDED})
    return proofs.Proof(owner_levels.STAFF, words)


def _checked(clip: Clip, number: str) -> proofs.Proof:
    owner = reading().get(Person, clip.owner_id) if clip.owner_id is not None else None
    email = (owner.email or "") if owner is not None else ""
    found = proofs.prove(proofs.Claim(number, email), runtime().settings.proofs)
    if found is None:
        raise Unacceptable(Code.UNKNOWN_NUMBER, fields={"number": Code.UNKNOWN_NUMBER})
    return found
