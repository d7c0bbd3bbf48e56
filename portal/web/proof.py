"""One printable page with the whole proof of a clip, for staff."""

from flask import Blueprint, render_template

from portal import desk, proof_file, reasons
from portal.web.db import reading
from portal.web.people import guard_reviewers
from portal.web.rows import campaign_title
from portal.web.words import state_word, verb_word

bp = Blueprint("proof", __name__)
bp.before_request(guard_reviewers)


@bp.get("/studio/clips/<clip_id>/proof")
def page(clip_id: str) -> str:
    """Who agreed to what, when, by which way, to which film; what was decided."""
    session = reading()
    seen = desk.sheet(session, clip_id)
    return render_template(
        "review/proof.html",
        clip=seen.clip,
        owner=seen.owner,
        campaign=campaign_title(seen.campaign),
        proof=proof_file.rows(session, seen.clip),
        state=state_word(seen.clip.state),
        said=reasons.name_of,
        verb_word=verb_word,
    )
