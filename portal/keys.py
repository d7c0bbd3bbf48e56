"""Where a clip's objects lie in storage: one function per kind of object.

Keys hold random ids only, never a person's words; no `//`, no trailing `/`, ASCII (uploads-storage notes
in docs/decisions: some stores collapse them).
"""

import secrets
from datetime import datetime

SCRATCH_PREFIX = "t/"
PUBLIC_PREFIX = "v/"
ORIGINAL_PREFIX = "o/"
MADE_PREFIX = "p/"
MARK_PREFIX = "m/"


def original(clip_id: str, upload_id: str, *, at: datetime) -> str:
    """Key of an original as it came in, in the originals bucket."""
    return f"{ORIGINAL_PREFIX}{at:%Y}/{at:%m}/{clip_id}/{upload_id}"


def taken(form_key: str) -> str:
    """A fresh key for the film that was posted to this one, whose sender may post to it again for hours."""
    return f"{form_key}-{secrets.token_hex(16)}"


def posted(key: str) -> str:
    """The key that a film was posted to, of the one it was taken to; any other key as it is."""
    return key.partition("-")[0] if key.startswith(ORIGINAL_PREFIX) else key


def made(clip_id: str, attempt_token: str, name: str) -> str:
    """Key of a private rendition file; the attempt's token keeps a zombie's files apart."""
    return f"{MADE_PREFIX}{clip_id}/{attempt_token}/{name}"


def made_prefix(clip_id: str) -> str:
    """Prefix of everything that was ever made privately for a clip."""
    return f"{MADE_PREFIX}{clip_id}/"


def erased(clip_id: str) -> str:
    """Key of the mark that says for good that a clip was erased: a database put back from a copy does not know it."""
    return f"{MARK_PREFIX}{clip_id}/erased"


def hidden(clip_id: str) -> str:
    """Key of the mark that says that a clip was taken out of sight, until it is published anew."""
    return f"{MARK_PREFIX}{clip_id}/hidden"


def public(token: str, name: str) -> str:
    """Key of a published file under the publication's random token, in the public bucket."""
    return f"{PUBLIC_PREFIX}{token}/{name}"


def public_prefix(token: str) -> str:
    """Prefix of everything published under one token."""
    return f"{PUBLIC_PREFIX}{token}/"


def new_public_token() -> str:
    """128 random bits; used for one publication and never again."""
    return secrets.token_hex(16)


def cache_control(name: str, *, deaf_edge: bool = False) -> str:
    """How long browsers and CDNs may keep a published file: tokens are used once, but playlists must die soon.

    A CDN that cannot be told to forget (`deaf_edge`) asks the storage again after a minute, so that what was taken back
    is gone there, too.
    """
    if name.endswith(".m3u8"):
        return "public, max-age=60"
    edge = ", s-maxage=60" if deaf_edge else ""
    return f"public, max-age=31536000{edge}, immutable"
