"""Built files by name, and the headers that say what a page may load."""

import json
from functools import cache
from urllib.parse import urlsplit

from flask import Flask, Response, request

from config import ROOT, StorageSettings

DIST = ROOT / "static" / "dist"


@cache
def _manifest() -> dict[str, str]:
    # Read once a process: the static files it serves are those that lay there when it started.
    read: dict[str, str] = json.loads((DIST / "manifest.json").read_text(encoding="utf-8"))
    return read


def asset(name: str) -> str:
    """The hashed address of a built file; raises KeyError for a name that was never built."""
    return _manifest()[name]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def content_security_policy(storage: StorageSettings) -> str:
    """What pages may load: our own files, and media from where the storage is read and written."""
    media = {_origin(url) for url in (storage.public_url, storage.cdn_url) if url} - {
        _origin(storage.site_url)
    }
    places = " ".join(["'self'", *sorted(media)])
    return "; ".join((
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        f"img-src {places} blob: data:",
        f"media-src {places} blob:",
        f"connect-src {places}",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        f"form-action {places}",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ))  # fmt: skip


def is_private() -> bool:
    """Whether only its reader may see this answer: never kept by a cache, never told to the next site.

    By the address, not by a list of pages that a new one would be missing from: the studio, owners' own space, and
    whatever a link's token opens.
    """
    return (
        request.path.startswith("/studio")
        or request.blueprint == "owner"
        or "token" in (request.view_args or {})
    )


def init_app(app: Flask, storage: StorageSettings) -> None:
    """Offer `asset` to templates and put the security headers on every answer."""
    policy = content_security_policy(storage)
    app.jinja_env.globals["asset"] = asset

    @app.after_request
    def headers(answer: Response) -> Response:
        is_own = is_private()
        answer.headers.setdefault("Content-Security-Policy", policy)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        answer.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        referrer = "no-referrer" if is_own else "strict-origin-when-cross-origin"
        answer.headers.setdefault("Referrer-Policy", referrer)
        if is_own:
            answer.headers.setdefault("X-Robots-Tag", "noindex")
            answer.headers["Cache-Control"] = "no-store"
        if request.is_secure:
            answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        return answer
