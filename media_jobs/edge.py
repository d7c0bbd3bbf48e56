"""Tells a CDN in front of the public bucket to forget what is public no more; does nothing where there is none to tell."""

import http.client
import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select

from portal import keys
from portal.errors import Away, Code
from portal.models import Publication, Rendition
from portal.runtime import Runtime

PURGE_SECONDS: Final = 10.0


def forget(runtime: Runtime, gone: Sequence[Publication]) -> int:
    """Have every address of these publications forgotten that is not on record as gone; how many addresses.

    The addresses come from the record: the objects are deleted by now, or were by an attempt that died after it.
    Raises Away when the CDN does not answer or does not agree: the job is tried again.
    """
    purge_url = runtime.settings.storage.cdn_purge_url
    named = 0
    for publication in gone:
        if not purge_url or publication.deleted_at is not None:
            continue
        with runtime.read() as session:
            names = session.scalars(
                select(Rendition.name).where(Rendition.cut_id == publication.cut_id)
            ).all()
        prefix = runtime.storage.public_url(keys.public_prefix(publication.token))
        urls = [f"{prefix}{name}" for name in sorted(names)]
        _post(purge_url, {"prefix": prefix, "urls": urls})
        named += len(urls)
    return named


def _post(url: str, told: dict[str, object]) -> None:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=PURGE_SECONDS)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request("POST", path, body=json.dumps(told), headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        # Never the address: it may hold a key.
        raise Away(Code.OURS_STORAGE, verb="purge", detail=type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise Away(Code.OURS_STORAGE, verb="purge", detail=f"the CDN answered {answer.status}")
