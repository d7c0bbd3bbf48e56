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


def original(clip_id: str, upload_id: str, *, at: datetime) -> str:
    """Key of an original as it came in, in the originals bucket."""
    return f"{ORIGINAL_PREFIX}{at:%Y}/{at:%m}/{clip_id}/{upload_id}"


def made(clip_id: str, attempt_token: str, name: str) -> str:
    """Key of a private rendition file; the attempt's token keeps a zombie's files apart."""
    return f"{MADE_PREFIX}{clip_id}/{attempt_token}/{name}"


def made_prefix(clip_id: str) -> str:
    """Prefix of everything that was ever made privately for a clip."""
    return f"{MADE_PREFIX}{clip_id}/"


def public(token: str, name: str) -> str:
    """Key of a published file under the publication's random token, in the public bucket."""
    return f"{PUBLIC_PREFIX}{token}/{name}"


def public_prefix(token: str) -> str:
    """Prefix of everything published under one token."""
    return f"{PUBLIC_PREFIX}{token}/"


def new_public_token() -> str:
    """128 random bits; used for one publication and never again."""
    return secrets.token_hex(16)


def cache_control(name: str) -> str:
    """How long browsers and CDNs may keep a published file: tokens are used once, but playlists must die soon."""
    return "public, max-age=60" if name.endswith(".m3u8") else "public, max-age=31536000, immutable"
