"""The API's description: one table of calls, and the OpenAPI 3.1 document made from it and the structs.

A test holds the table against the routes, and schemathesis holds the document against the running site.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from portal import __version__
from portal.web import schemas as s
from portal.web import schemas_captions as c
from portal.web import schemas_editing as e
from portal.web import schemas_review as r

PREFIX = "/api/v1"
_REF = "#/components/schemas/{name}"
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_PARAMETERS: dict[str, dict[str, Any]] = {
    "clip_id": {"type": "string", "minLength": 1, "maxLength": 40},
    "slug": {"type": "string", "minLength": 1, "maxLength": 60},
    "upload_id": {"type": "string", "minLength": 1, "maxLength": 40},
    "number": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "tr": {"type": "string", "pattern": "^[a-z]{2,3}$"},
    "token_id": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
}
# Who may call; an empty tuple is everybody.
_SUBMISSION = ("submission", "submit")
REFUSALS = {
    401: "No token, or one that nobody has (any more).",
    403: "The token lacks the scope.",
    404: "There is no such thing, or not for this caller.",
    409: "Somebody was faster, or the thing is in another state; `changes` says what happened since.",
    410: "It was there and is gone.",
    413: "The film or the body is too large.",
    415: "The body is not `application/json`, or the film is of a type that is not taken.",
    422: "Something sent cannot be taken; `errors` lists the fields.",
    429: "Too much at once; `retry_after` says when to come back, in seconds.",
    507: "Our disk is nearly full; no new film is taken for a while.",
    503: "We cannot do it now; asking again later helps.",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: how it is addressed, what it takes, what it gives, who may, how it refuses."""

    method: str
    path: str
    name: str
    summary: str
    gives: dict[int, type[msgspec.Struct] | None]
    takes: type[msgspec.Struct] | None = None
    asks: type[msgspec.Struct] | None = None
    who: tuple[str, ...] = ()
    refuses: tuple[int, ...] = ()
    is_open: bool = False

    @property
    def statuses(self) -> list[int]:
        """Every refusal this call can utter."""
        found = {*self.refuses, 429, 503}
        if self.who or self.is_open:
            found |= {401} if self.is_open and not self.who else {401, 403}
        if self.is_open:
            found |= {403}
        if "{" in self.path:
            found |= {404}
        if self.method in _WRITES:
            found |= {403, 409, 413, 415, 422}
        if self.takes or self.asks:
            found |= {422}
        return sorted(found)


_CLIP = "/submissions/{clip_id}"
_UPLOAD = "/uploads/{upload_id}"
_REVIEW = "/review/{clip_id}"
CALLS: tuple[Call, ...] = (
    Call("GET", "/themes", "themes", "The themes visitors tick, in their order", {200: s.Themes}),
    Call("GET", "/campaigns", "campaigns", "The calls for clips", {200: s.Campaigns}),
    Call("GET", "/campaigns/{slug}/consents", "consents", "What an owner is asked to agree to, word for word",
         {200: s.ConsentTexts}, asks=s.ConsentQuery),
    Call("GET", "/clips", "clips", "Published clips", {200: s.Clips}, asks=s.ClipQuery),
    Call("GET", "/clips/{clip_id}", "clip", "One published clip and what plays it", {200: s.Clip}, refuses=(410,)),
    Call("POST", "/clips/{clip_id}/views", "view", "Somebody has watched three seconds of it; counted once a day "
         "for each browser, without a cookie", {204: None}, takes=s.Nothing),
    Call("POST", "/submissions", "begin", "Begin a submission", {201: s.NewSubmissionAnswer},
         takes=s.NewSubmission, is_open=True),
    Call("GET", _CLIP, "submission", "Where a submission is", {200: s.Submission}, who=_SUBMISSION),
    Call("PATCH", _CLIP, "edit", "Change its words and consents", {200: s.Submission},
         takes=s.SubmissionChange, who=_SUBMISSION),
    Call("POST", f"{_CLIP}/answer", "answer", "Answer a change request with words alone", {200: s.Submission},
         takes=s.Texts, who=_SUBMISSION),
    Call("POST", f"{_CLIP}/withdraw", "withdraw", "Take the clip back; its page is gone at once",
         {202: s.Submission}, takes=s.Leaving, who=_SUBMISSION),
    Call("POST", f"{_CLIP}/confirm", "confirm",
         "The owner's address is right: for the token of a link that was mailed there", {200: s.Submission},
         takes=s.Nothing, who=("submission",)),
    Call("POST", f"{_CLIP}/keep-beginning", "keep_beginning",
         "Make do with the beginning of a film whose end never arrived", {200: s.Submission}, takes=s.Nothing,
         who=_SUBMISSION),
    Call("POST", f"{_CLIP}/poster", "poster", "Choose the picture the clip is known by", {202: s.Submission},
         takes=s.PosterChoice, who=_SUBMISSION),
    Call("GET", "/uploads", "uploads", "The uploads this caller may continue", {200: s.Uploads},
         asks=s.UploadQuery, who=_SUBMISSION),
    Call("POST", "/uploads", "open_upload", "Announce a film; 200 continues one that is open",
         {201: s.Upload, 200: s.Upload}, takes=s.NewUpload, who=_SUBMISSION, refuses=(404, 507)),
    Call("GET", _UPLOAD, "upload", "Which parts have arrived", {200: s.Upload}, who=_SUBMISSION),
    Call("POST", f"{_UPLOAD}/parts", "sign_parts", "Addresses to PUT up to 50 parts to", {200: s.SignedParts},
         takes=s.WantedParts, who=_SUBMISSION),
    Call("POST", f"{_UPLOAD}/complete", "complete", "Every part is there", {202: s.UploadState},
         takes=s.Nothing, who=_SUBMISSION),
    Call("DELETE", _UPLOAD, "abort", "Throw the parts away", {204: None}, who=_SUBMISSION),
    Call("GET", "/review", "queue", "Clips by state, oldest first", {200: r.ReviewQueue},
         asks=r.ReviewQuery, who=("review",)),
    Call("GET", _REVIEW, "sheet", "Everything a moderator sees", {200: r.ReviewClip}, who=("review",)),
    Call("PATCH", _REVIEW, "correct", "Correct the owner's words", {200: r.NewState}, takes=r.Correction,
         who=("review",)),
    Call("POST", f"{_REVIEW}/approve", "approve", "Publish it, now or later", {200: r.NewState},
         takes=r.Approve, who=("review",)),
    Call("POST", f"{_REVIEW}/request-changes", "request_changes", "Ask the owner to mend something",
         {200: r.NewState}, takes=r.RequestChanges, who=("review",)),
    Call("POST", f"{_REVIEW}/reject", "reject", "Refuse it, with a reason", {200: r.NewState},
         takes=r.Refusal, who=("review",)),
    Call("POST", f"{_REVIEW}/unpublish", "unpublish", "Take it down at once", {200: r.NewState},
         takes=r.Refusal, who=("review",)),
    Call("POST", f"{_REVIEW}/poster", "review_poster", "Choose the picture the clip is known by", {202: r.NewState},
         takes=s.PosterChoice, who=("review",)),
    Call("POST", f"{_REVIEW}/retry", "retry", "Try the failed film work again", {200: r.NewState},
         takes=r.Retry, who=("review",)),
    Call("POST", f"{_REVIEW}/original", "original", "An address that saves the film as it was sent, for ten minutes",
         {200: r.HandedOriginal}, takes=s.Nothing, who=("admin",)),
    Call("GET", f"{_REVIEW}/cuts", "cuts", "The ways the film is shown, newest first", {200: e.Cuts},
         who=("review",)),
    Call("POST", f"{_REVIEW}/cuts", "propose_cut", "Have the film made anew with this edit list", {202: e.Cuts},
         takes=e.NewCut, who=("review",)),
    Call("POST", f"{_REVIEW}/cuts/{{number}}/adopt", "adopt_cut", "Let a finished cut count", {200: e.Cuts},
         takes=e.ChosenCut, who=("review",)),
    Call("DELETE", f"{_REVIEW}/cuts/{{number}}", "let_cut_go", "Do without a cut that does not count",
         {200: e.Cuts}, who=("review",)),
    Call("GET", f"{_REVIEW}/captions/{{tr}}", "captions", "The captions in one language", {200: c.Captions},
         who=("review",)),
    Call("PUT", f"{_REVIEW}/captions/{{tr}}", "replace_captions", "Replace them by a person's hand",
         {200: c.Captions}, takes=c.NewCaptions, who=("review",)),
    Call("DELETE", f"{_REVIEW}/captions/{{tr}}", "delete_captions", "Do without them", {204: None},
         asks=c.SeenCaptions, who=("review",)),
    Call("POST", f"{_REVIEW}/captions/{{tr}}/check", "check_captions", "Somebody has proof-read them",
         {200: c.Captions}, takes=c.CheckedCaptions, who=("review",)),
    Call("GET", f"{_CLIP}/captions/{{tr}}", "own_captions", "The captions of one's own clip", {200: c.Captions},
         who=_SUBMISSION),
    Call("PUT", f"{_CLIP}/captions/{{tr}}", "replace_own_captions", "Replace them, until a moderator has decided",
         {200: c.Captions}, takes=c.NewCaptions, who=_SUBMISSION),
    Call("POST", "/tokens", "add_token", "A program's key; shown this once", {201: s.NewTokenAnswer},
         takes=s.NewToken, who=("admin",)),
    Call("DELETE", "/tokens/{token_id}", "revoke_token", "End a program's key", {204: None}, who=("admin",)),
)  # fmt: skip


def document(site_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a portal at this address."""
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vécu",
            "version": __version__,
            "description": "Video testimonials by owners: send, review, publish, read. Times are RFC 3339 UTC, "
            "sizes bytes, lengths seconds.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{site_url}{PREFIX}"}],
        "paths": paths,
        "components": {
            "schemas": _components(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A submission token (one clip) or an API token with scopes.",
                }
            },
        },
    }


def query_fields(call: Call) -> list[str]:
    """The names a call's query may hold."""
    return [field.encode_name for field in msgspec.structs.fields(call.asks)] if call.asks else []


def _structs() -> Iterator[type[msgspec.Struct]]:
    yield s.Problem
    for call in CALLS:
        yield from (kind for kind in (call.takes, *call.gives.values()) if kind)


def _components() -> dict[str, Any]:
    _, found = msgspec.json.schema_components(dict.fromkeys(_structs()), ref_template=_REF)
    return {name: _without_defaults(schema) for name, schema in sorted(found.items())}


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    # Answers always carry every field, so a default would say something that never happens.
    return {key: value for key, value in schema.items() if key != "default"}


def _operation(call: Call) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "tags": [call.path.split("/")[1]],
        "responses": dict(_responses(call)),
    }
    if parameters := [*_path_parameters(call), *_query_parameters(call), *_header_parameters(call)]:
        made["parameters"] = parameters
    if call.takes:
        made["requestBody"] = {
            "required": bool(_required(call.takes)),
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=call.takes.__name__)}}},
        }
    if call.who:
        made["security"] = [{"bearer": []}]
        made["description"] = f"Token: {' or '.join(_said(word) for word in call.who)}."
    return made


def _said(word: str) -> str:
    return "the submission's own" if word == "submission" else f"API token with scope `{word}`"


def _required(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.required]


def _responses(call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, kind in sorted(call.gives.items()):
        given: dict[str, Any] = {"description": call.summary}
        if kind:
            given["content"] = {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
        yield str(status), given
    for status in call.statuses:
        yield (
            str(status),
            {
                "description": REFUSALS[status],
                "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
            },
        )


def _path_parameters(call: Call) -> Iterator[dict[str, Any]]:
    for name, schema in _PARAMETERS.items():
        if f"{{{name}}}" in call.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(call: Call) -> Iterator[dict[str, Any]]:
    if call.asks is None:
        return
    (_,), found = msgspec.json.schema_components([call.asks], ref_template=_REF)
    for name, schema in found[call.asks.__name__]["properties"].items():
        shown = _inlined(schema, found)
        yield {"name": name, "in": "query", "required": False, "schema": shown, "explode": True}


def _inlined(schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in schema or "$ref" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        named: dict[str, Any] = found[reference.rsplit("/", 1)[1]]
        return {**{key: value for key, value in schema.items() if key not in ("allOf", "$ref")}, **named}
    return schema


def _header_parameters(call: Call) -> Iterator[dict[str, Any]]:
    if call.method in _WRITES:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same call and body gives the first answer again for 24 h; with "
            "another body it is refused.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 120, "pattern": "^[!-~]+$"},
        }
