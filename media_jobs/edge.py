"""Tells a CDN in front of the public bucket to forget what is public no more; does nothing where there is none to tell."""

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from sqlalchemy import select

from portal import keys, receipts
from portal.errors import Away, Code
from portal.models import Publication, Rendition
from portal.runtime import Runtime

PURGE_SECONDS: Final = 10.0
VERB: Final = "purge"
"""By which a refusal says that it was the CDN's."""


def forget(runtime: Runtime, gone: Sequence[Publication]) -> int:
    """Have every address of these publications forgotten that is not on record as gone; how many addresses.

    The addresses come from the record: the objects are deleted by now, or were by an attempt that died after it; those
    of an erased clip from its receipt. Raises Away when the CDN does not answer or does not agree: ask again later.
    """
    purge_url = runtime.settings.storage.cdn_purge_url
    if not purge_url:
        return 0
    told = 0
    waiting = {one.token: one for one in gone if one.deleted_at is None}
    for token, names in names_of(runtime, list(waiting.values())).items():
        prefix = runtime.storage.public_url(keys.public_prefix(token))
        urls = [f"{prefix}{name}" for name in names]
        _post(purge_url, {"prefix": prefix, "urls": urls})
        told += len(urls)
    return told


def names_of(runtime: Runtime, gone: Sequence[Publication]) -> Mapping[str, list[str]]:
    """The files of publications that are not on record as gone, by token."""
    found = {}
    with runtime.read() as session:
        for one in gone:
            if one.deleted_at is None:
                names = session.scalars(select(Rendition.name).where(Rendition.cut_id == one.cut_id)).all()
                found[one.token] = sorted(names) or receipts.untold(session, one.clip_id).get(one.token, [])
    return found


def _post(url: str, told: dict[str, object]) -> None:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PURGE_SECONDS)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {"Content-Type": "application/json"} | _signed(parts)
    try:
        connection.request("POST", path, body=json.dumps(told), headers=headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        # Never the address: it may hold a key.
        raise Away(Code.OURS_STORAGE, verb=VERB, detail=type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise Away(Code.OURS_STORAGE, verb=VERB, detail=f"the CDN answered {answer.status}")


def _signed(parts: SplitResult) -> dict[str, str]:
    """The header for the name and password of an address like https://name:password@purge.example/hook."""
    if parts.username is None:
        return {}
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}
