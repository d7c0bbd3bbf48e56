"""How often one address or one account may ask; counted in the broker's Redis, else in this process.

Views take `limiter` and the key functions from here; the figures stand next to the views.
"""

import ipaddress
import time

from flask import Flask, Response, request
from flask_limiter import Limiter, RateLimitExceeded

from portal.errors import Code, TooMuch
from portal.web import errors
from portal.web.db import runtime


def address() -> str:
    """Whose request this is: the address, for IPv6 the /64 that one household has."""
    raw = request.remote_addr or ""
    try:
        found = ipaddress.ip_address(raw)
    except ValueError:
        return raw
    if found.version == 4:
        return raw
    return str(ipaddress.ip_network((raw, 64), strict=False).network_address)


# A broker that is away must not hold up or refuse a page: each process then counts for itself.
limiter = Limiter(key_func=address, strategy="moving-window", in_memory_fallback_enabled=True)


def init_app(app: Flask) -> None:
    """Count where the broker is, when it is a Redis; say how long to wait when it was too often."""
    with app.app_context():
        broker = runtime().settings.broker_url
    is_redis = broker.startswith(("redis://", "rediss://"))
    app.config.update(
        RATELIMIT_STORAGE_URI=broker if is_redis else "memory://",
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 1, "socket_timeout": 1} if is_redis else {},
        RATELIMIT_KEY_PREFIX="vecu",
    )
    limiter.init_app(app)

    @app.errorhandler(RateLimitExceeded)
    def too_often(_error: RateLimitExceeded) -> Response:
        reached = limiter.current_limit
        wait = max(1, int(reached.reset_at - time.time()) + 1) if reached else 60
        return errors.refuse(TooMuch(Code.TOO_OFTEN, retry_after=wait))
