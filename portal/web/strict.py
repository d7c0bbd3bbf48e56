"""Reads what programs send, strictly: every fault of a body or a query is named at once, nothing is guessed."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from flask import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from portal.errors import Code, Missing, Unacceptable

Kind = TypeVar("Kind", bound=msgspec.Struct)

_FIELD = re.compile(r"`(?P<name>[^`]*)`")
# No text of a person holds these, and databases choke on them: NUL and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# The database counts ids with 32 bits.
_MOST_ID = 2**31 - 1


def body(kind: type[Kind]) -> Kind:
    """The request's JSON as this struct; an absent body counts as `{}`.

    Raises UnsupportedMediaType for another content type, Unacceptable with every fault by field.
    """
    raw = request.get_data(cache=True)
    if raw and request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        given = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unacceptable(Code.NOT_JSON) from error
    if not isinstance(given, dict):
        raise Unacceptable(Code.INVALID, fields={"": Code.INVALID})
    return _checked(kind, _whole(given), strict=True)


def query(kind: type[Kind]) -> Kind:
    """The address's query as this struct; only fields that are lists may come more than once."""
    given: dict[str, Any] = {}
    faults: dict[str, Code] = {}
    many = {one.name for one in msgspec.structs.fields(kind) if _is_list(one.type)}
    for name, values in request.args.lists():
        if name in many:
            given[name] = values
        elif len(values) == 1:
            given[name] = values[0]
        else:
            faults[name] = Code.TOO_MANY
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    return _checked(kind, given, strict=False)


def refuse_impossible_ids() -> None:
    """Raise Missing for ids in the path that no database can hold; for `before_request` of a blueprint."""
    for value in (request.view_args or {}).values():
        if _UNSTORABLE.search(str(value)) or (isinstance(value, int) and value > _MOST_ID):
            raise Missing(Code.MISSING)


def answer(thing: Any, status: int = 200) -> Response:
    """A struct as the JSON answer."""
    return Response(msgspec.json.encode(thing), status, content_type="application/json")


def empty(status: int = 204) -> Response:
    """An answer without a body."""
    made = Response(status=status)
    del made.headers["Content-Type"]
    return made


def _whole(value: Any) -> Any:
    """Write 2.0 as 2: to JSON they are the same number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _is_list(annotation: Any) -> bool:
    inner = get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    return get_origin(inner) in (list, tuple)


def _checked(kind: type[Kind], given: dict[str, Any], *, strict: bool) -> Kind:
    known = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    faults = {name: Code.UNKNOWN_FIELD for name in given if name not in known}
    values: dict[str, Any] = {}
    for name, one in known.items():
        if name not in given:
            if one.required:
                faults[name] = Code.REQUIRED
            continue
        value = given[name]
        if any(_UNSTORABLE.search(text) for text in _texts(value)):
            faults[name] = Code.INVALID
            continue
        try:
            values[one.name] = msgspec.convert(value, one.type, strict=strict)
        except msgspec.ValidationError as error:
            path, code = _explained(str(error))
            faults[name + path] = code
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    return kind(**values)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _explained(message: str) -> tuple[str, Code]:
    """Where inside the field it went wrong, and our code, from msgspec's sentence."""
    what, _, path = message.partition(" - at `$")
    path = path.rstrip("`")
    found = _FIELD.search(what)
    if what.startswith("Object contains unknown field") and found:
        return f"{path}.{found['name']}", Code.UNKNOWN_FIELD
    if what.startswith("Object missing required field") and found:
        return f"{path}.{found['name']}", Code.REQUIRED
    if "of length <=" in what:
        return path, Code.TOO_LONG_TEXT if "`str`" in what else Code.TOO_MANY
    if "of length >=" in what:
        return path, Code.TOO_SHORT
    if "RFC3339" in what or "ISO8601" in what or "`date" in what:
        return path, Code.WRONG_DATE
    return path, Code.INVALID
