"""What a request leaves behind as proof of an agreement: the link's mark, the network, the program, the language."""

from flask import request

from portal import consent
from portal.consent import Proof


def evidence(token: str = "", lang: str = "") -> Proof:
    """The proof for an agreement that this request brings; `token` is the one of the link it came by."""
    agent = request.headers.get("User-Agent", "")
    return consent.proof_of(token=token, address=request.remote_addr, agent=agent, lang=lang)
