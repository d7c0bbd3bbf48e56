"""What the tests of people in a film have in common: who they are, how they answer, and another film of the clip."""

from portal import consent, lifecycle, signatures
from portal.lifecycle import OWNER, Actor, ActorKind
from portal.models import Clip, CoSignature
from portal.signatures import Named
from tests.factories import act

MALIK, LEO = Named("Malik", "malik@mail.example"), Named("Léo", None, is_minor=True)
BY = Actor(ActorKind.MODERATOR)


def named_as(runtime, clip, *people):
    with runtime.work() as session:
        signatures.declare(session, session.get_one(Clip, clip.id), people)


def respond(runtime, row_id, answer="agree", **more):
    with runtime.work() as session:
        row = session.get_one(CoSignature, row_id)
        proof = more.pop("proof", consent.NO_PROOF)
        if answer == "refuse":
            return signatures.refuse(session, row, proof=proof)
        return signatures.agree(session, row, proof=proof, brand="Solène", **more)


def send_another(runtime, make, clip):
    """The owner sends another film: until it is made, the one before it is what can be watched."""
    for verb, by in (("request_changes", BY), ("open_upload", OWNER), ("complete", OWNER)):
        act(runtime, lifecycle.move, clip, verb, by=by)
    return make.film(clip)
