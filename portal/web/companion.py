"""The dialect that Uppy's S3 plugin speaks to a Companion (docs/decisions/0032), spoken to our own uploads.

Companion's client sends no header of ours: the submission's token comes as a field of the file (`meta.token`), and
afterwards the upload's id is its own key, for it carries our signature.
"""

from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from itsdangerous import BadSignature, Signer
from msgspec import Meta, field
from sqlalchemy.orm import Session

from portal import arrivals, submission, uploads
from portal.errors import Code, Missing, NotAllowed, Unacceptable
from portal.lifecycle import OWNER
from portal.models import Clip, Upload
from portal.web import guard, schemas
from portal.web.db import reading, runtime
from portal.web.strict import body, empty, refuse_impossible_ids

bp = Blueprint("companion", __name__, url_prefix="/api/companion/s3")
bp.before_request(refuse_impossible_ids)


class NewFile(schemas.Strict):
    """What Companion's client says of a file; `metadata` holds the fields that the page gave it."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    type: Annotated[str, Meta(max_length=60)] = ""
    metadata: dict[str, Any] = field(default_factory=dict)


class Part(schemas.Strict):
    """One part as the client saw it; what the storage has counts."""

    PartNumber: int
    ETag: str


class Parts(schemas.Strict):
    """The end of an upload."""

    parts: Annotated[list[Part], Meta(max_length=10_000)]


@bp.post("/multipart")
def create() -> Response:
    """Open an upload; the file's page must have set `meta.token` and `meta.size`."""
    said, machines = body(NewFile), runtime()
    clip = _clip(reading(), str(said.metadata.get("token", "")))
    size = _size(said.metadata.get("size"))
    guard.before_upload(clip.id, size)
    announced = uploads.Announced(said.filename, size, said.type)
    limits = machines.settings.uploads
    upload, _is_new = uploads.start(
        machines.work, machines.storage, clip.id, announced, limits=limits, by=OWNER
    )
    return jsonify(key=upload.id, uploadId=_signer().sign(upload.id).decode())


@bp.get("/multipart/<upload_id>/<int:number>")
def part(upload_id: str, number: int) -> Response:
    """Where one part goes."""
    machines = runtime()
    with machines.work() as session:
        signed = uploads.sign_parts(session, machines.storage, _mine(session, upload_id), [number])
    return jsonify(url=signed[0]["url"], expires=uploads.URL_SECONDS)


@bp.get("/multipart/<upload_id>")
def parts(upload_id: str) -> Response:
    """The parts that the storage has whole."""
    found = uploads.received(runtime().storage, _mine(reading(), upload_id))
    return jsonify([{"PartNumber": one.number, "Size": one.size_bytes, "ETag": one.etag} for one in found])


@bp.post("/multipart/<upload_id>/complete")
def complete(upload_id: str) -> Response:
    """Join the parts and hand the film on; what the client lists is not needed, the storage is asked."""
    body(Parts)
    machines = runtime()
    mine = _mine(reading(), upload_id)
    done = arrivals.complete(machines.work, machines.storage, mine.id, by=OWNER)
    return jsonify(location=machines.settings.site.url, key=done.id)


@bp.delete("/multipart/<upload_id>")
def abort(upload_id: str) -> Response:
    """Give the upload up; harmless twice."""
    machines = runtime()
    arrivals.abort(machines.work, machines.storage, _mine(reading(), upload_id).id, by=OWNER)
    return empty()


@bp.get("/params")
def params() -> Response:
    """A form for a file that is sent in one piece; the sweep finds it when it is there (arrivals.collect_posted)."""
    machines = runtime()
    clip, limits = _clip(reading(), request.args.get("metadata[token]", "")), machines.settings.uploads
    if uploads.waiting_form(reading(), clip) is None:
        guard.before_upload(clip.id, uploads.most_of_a_form(limits))
    with machines.work() as session:
        form = uploads.open_form(session, session.get_one(Clip, clip.id), limits=limits, by=OWNER)
    url, fields = machines.storage.sign_post(
        form.key, max_bytes=form.part_size, redirect_url="", ttl=uploads.FORM_SECONDS
    )
    return jsonify(method="POST", url=url, fields=fields)


def _clip(session: Session, token: str) -> Clip:
    try:
        return submission.by_link(session, token[:200])
    except Missing:
        raise NotAllowed(Code.WRONG_TOKEN) from None


def _size(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, str) and given.isdecimal() and len(given) < 16:
        return int(given)
    raise Unacceptable(Code.REQUIRED, fields={"metadata.size": Code.REQUIRED})


def _mine(session: Session, signed: str) -> Upload:
    try:
        upload_id = _signer().unsign(signed).decode()
    except (BadSignature, UnicodeError):
        raise Missing(Code.MISSING) from None
    return uploads.upload_by_id(session, upload_id)


def _signer() -> Signer:
    return Signer(runtime().settings.site.secret_key, salt="companion")
