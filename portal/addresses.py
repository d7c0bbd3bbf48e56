"""Addresses that carry their own proof: where an owner's answer by mail goes, and where letters are called off.

Nothing is stored for them: a keyed hash tells ours from invented ones.
"""

import hashlib
import hmac
from typing import Final

# 80 bits in letters that survive any mail program's lower case.
_MARK_LENGTH: Final = 20
_TOPIC_BREAK: Final = "."


def reply_address(inbox: str, clip_id: str, *, key: str) -> str:
    """The address under which answers reach the thread of this clip; `inbox` is the portal's own mailbox."""
    name, _, host = inbox.partition("@")
    return f"{name}+{clip_id}.{_mark('reply', clip_id, key)}@{host}"


def call_address(inbox: str, slug: str) -> str:
    """The address under which films for one call are taken; `inbox` is the portal's own mailbox."""
    name, _, host = inbox.partition("@")
    return f"{name}+{slug}@{host}"


def clip_of(address: str, *, inbox: str, key: str) -> str | None:
    """Which clip's thread an answer to this address belongs to; None when we never made the address."""
    name, _, host = inbox.casefold().partition("@")
    local, _, domain = address.strip().casefold().partition("@")
    own, _, rest = local.partition("+")
    clip_id, _, mark = rest.partition(".")
    if (own, domain) != (name, host) or not clip_id:
        return None
    return clip_id if hmac.compare_digest(mark.encode(), _mark("reply", clip_id, key).encode()) else None


def refusal_token(address_hash: str, topic: str, *, key: str) -> str:
    """The word in the link that calls letters of one topic off for one address."""
    told = f"{topic}{_TOPIC_BREAK}{address_hash}"
    return f"{told}{_TOPIC_BREAK}{_mark('refuse', told, key)}"


def refused_by(token: str, *, key: str) -> tuple[str, str] | None:
    """The address's hash and the topic that this word calls off; None when we never made it."""
    told, _, mark = token.rpartition(_TOPIC_BREAK)
    topic, _, address_hash = told.partition(_TOPIC_BREAK)
    if not topic or len(address_hash) != 64:
        return None
    is_ours = hmac.compare_digest(mark.encode(), _mark("refuse", told, key).encode())
    return (address_hash, topic) if is_ours else None


def _mark(use: str, told: str, key: str) -> str:
    return hmac.new(key.encode(), f"{use}:{told}".encode(), hashlib.sha256).hexdigest()[:_MARK_LENGTH]
