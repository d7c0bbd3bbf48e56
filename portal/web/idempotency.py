"""The same writing call twice is one call: its first answer is kept for 24 h and given again.

The answer is sealed with the caller's own key, which is not stored: an answer may hold a fresh token.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, make_response, request
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Unacceptable
from portal.forgetting import ANSWERS_KEPT
from portal.models import IdempotencyKey
from portal.web.callers import caller
from portal.web.db import runtime, writing

# A call that neither ended nor failed by then died with its process; its key is free again.
LONGEST_CALL = timedelta(seconds=90)
MOST_CHARACTERS = 120

View = TypeVar("View", bound=Callable[..., Any])


def idempotent(view: View) -> View:
    """Give a writing call's first answer again to the same caller, key and body.

    Only answers that did something (below 400) are kept: a refusal leaves nothing behind, and the same key may
    try again. Raises Unacceptable(KEY_REUSED) for another call or body under the key, and Conflict while the
    first call still runs.
    """

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        if not 0 < len(key) <= MOST_CHARACTERS or not key.isprintable():
            raise Unacceptable(Code.INVALID, fields={"Idempotency-Key": Code.INVALID})
        return _once(key, lambda: make_response(view(*args, **kwargs)))

    return cast("View", wrapped)


def _once(key: str, act: Callable[[], Response]) -> Response:
    who, sign = caller().name, _sign()
    with writing() as session:
        row = claim(session, who, _hash(key), sign)
        row_id, kept, seed = row.id, row.answer, f"{row.id} {row.created_at.isoformat()} {sign} {key}"
    if kept is not None:
        return _again(sealed(base64.b64decode(kept), seed))
    try:
        answer = act()
    except BaseException:
        with writing() as session:
            free(session, row_id)
        raise
    if answer.status_code >= 400:
        with writing() as session:
            free(session, row_id)
        return answer
    what = {"status": answer.status_code, "type": answer.content_type, "body": answer.get_data(as_text=True)}
    closed = sealed(json.dumps(what).encode(), seed)
    with writing() as session:
        keep(session, row_id, status=answer.status_code, answer=base64.b64encode(closed).decode())
    return answer


def claim(session: Session, who: str, key_hash: str, sign: str) -> IdempotencyKey:
    """Our row for this key: a new one, or the finished one with its answer.

    Raises Conflict while the first call still runs, Unacceptable(KEY_REUSED) for another sign under the key.
    """
    now = db_now(session)
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - ANSWERS_KEPT))
    mine = select(IdempotencyKey).where(IdempotencyKey.caller == who, IdempotencyKey.key == key_hash)
    row = session.scalars(mine).one_or_none()
    if row is None:
        return _insert(session, who, key_hash, sign, now)
    if not hmac.compare_digest(row.body_sha256, sign):
        raise Unacceptable(Code.KEY_REUSED)
    if row.answer is not None:
        return row
    if now - row.created_at < LONGEST_CALL:
        raise Conflict(Code.CONFLICT, retry_after=1)
    session.delete(row)
    session.flush()
    return _insert(session, who, key_hash, sign, now)


def _insert(session: Session, who: str, key_hash: str, sign: str, now: datetime) -> IdempotencyKey:
    row = IdempotencyKey(caller=who, key=key_hash, body_sha256=sign, created_at=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # On PostgreSQL the twin may have come in between.
        raise Conflict(Code.CONFLICT, retry_after=1) from None
    return row


def keep(session: Session, row_id: int, *, status: int, answer: str) -> None:
    """Keep the answer for whoever asks again."""
    written = {"status": status, "answer": answer}
    session.execute(update(IdempotencyKey).where(IdempotencyKey.id == row_id).values(**written))


def free(session: Session, row_id: int) -> None:
    """Forget the key: nothing was done under it."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == row_id))


def _again(opened: bytes) -> Response:
    kept = json.loads(opened)
    answer = Response(kept["body"], kept["status"])
    if kept["type"] is None:
        del answer.headers["Content-Type"]
    else:
        answer.content_type = kept["type"]
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sign() -> str:
    """What was asked: method, address and body."""
    asked = f"{request.method} {request.full_path}\n".encode()
    return hashlib.sha256(asked + request.get_data(cache=True)).hexdigest()


def sealed(plain: bytes, seed: str) -> bytes:
    """Seal or open an answer: a key stream from our secret and the seed, which holds the caller's own key."""
    ours = runtime().settings.site.secret_key
    stream = hashlib.shake_256(f"{ours} {seed}".encode()).digest(len(plain))
    return bytes(a ^ b for a, b in zip(plain, stream, strict=True))
