"""The figures of the work for a monitoring program: on this machine, or with a token; for nobody else."""

import hmac
import ipaddress

from flask import Blueprint, Response, request

from portal import figures, room
from portal.errors import Code, Missing
from portal.web.db import reading, runtime

bp = Blueprint("metrics", __name__)

# A proxy, our own door first of all, leaves at least one of these; whoever asks this process directly none.
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")


@bp.get("/metrics")
def metrics() -> Response:
    """The figures in Prometheus' text format; raises Missing for whoever may not know them."""
    if not (_is_here() or _has_token()):
        raise Missing(Code.MISSING)
    disk = figures.disk_as_prometheus(room.disk(runtime().settings))
    answer = Response(
        figures.as_prometheus(figures.queues(reading())) + disk,
        content_type="text/plain; version=0.0.4; charset=utf-8",
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_here() -> bool:
    """Whether this machine asks, and not the door for somebody: through it everybody's first hop is loopback."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _has_token() -> bool:
    wanted = runtime().settings.site.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
