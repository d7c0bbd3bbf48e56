"""The web door: `create_app` is the list of everything that is switched on."""

from datetime import timedelta
from typing import Any

from flask import Flask, request
from flask_wtf import CSRFProtect

from config import ROOT
from portal.errors import Code, NotAllowed, Unacceptable
from portal.runtime import Runtime
from portal.web import (
    admin,
    agreements,
    api,
    api_captions,
    api_editing,
    api_review,
    assets,
    campaigns,
    captions,
    companion,
    db,
    downloads,
    editing,
    errors,
    gallery,
    guard,
    guests,
    i18n,
    invitations,
    levels,
    limits,
    metrics,
    once,
    outbox,
    owner,
    people,
    posters,
    proof,
    recorder,
    review,
    site,
    submission,
    support,
    thread,
    uploads,
    uses,
    withdrawal,
    wordings,
)
from portal.web.strict import refuse_impossible_ids

# Machines' doors: authorised by bearer tokens alone, never by a cookie, so no form token guards them.
CSRF_FREE = (
    api.bp,
    api_review.bp,
    api_captions.bp,
    api_editing.bp,
    uploads.bp,
    companion.bp,
    invitations.farewell,
)
BLUEPRINTS = (
    site.bp,
    metrics.bp,
    gallery.bp,
    captions.bp,
    captions.studio,
    submission.bp,
    recorder.bp,
    withdrawal.bp,
    thread.bp,
    thread.studio,
    support.bp,
    support.studio,
    outbox.bp,
    agreements.bp,
    owner.bp,
    people.bp,
    review.bp,
    editing.bp,
    posters.bp,
    posters.studio,
    admin.bp,
    downloads.bp,
    campaigns.bp,
    guests.bp,
    levels.bp,
    invitations.bp,
    wordings.bp,
    uses.bp,
    proof.bp,
    *CSRF_FREE,
)

_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def create_app(runtime: Runtime) -> Flask:
    """Build the site on these machines; connects to nothing yet."""
    app = Flask("portal", root_path=str(ROOT), static_folder=None, template_folder=str(ROOT / "templates"))
    app.extensions["portal"] = runtime
    _configure(app, runtime)
    for part in (db, i18n, errors):
        part.init_app(app)
    assets.init_app(app, runtime.settings.storage)
    posters.init_app(app)
    csrf = CSRFProtect(app)
    limits.init_app(app)
    guard.init_app(app)
    people.init_app(app)
    once.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for blueprint in CSRF_FREE:
        csrf.exempt(blueprint)
    app.before_request(_refuse_other_sites)
    app.before_request(_refuse_unstorable)
    app.context_processor(_page_facts)
    return app


def _configure(app: Flask, runtime: Runtime) -> None:
    site_settings = runtime.settings.site
    app.config.update(
        SECRET_KEY=site_settings.secret_key,
        TRUSTED_HOSTS=None,
        SESSION_COOKIE_NAME="__Host-s" if site_settings.is_https else "s",
        SESSION_COOKIE_SECURE=site_settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        # Films never pass through here; forms and JSON are small.
        MAX_CONTENT_LENGTH=256 * 1024,
        MAX_FORM_MEMORY_SIZE=128 * 1024,
        MAX_FORM_PARTS=200,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.json.sort_keys = False  # type: ignore[attr-defined]


def _refuse_other_sites() -> None:
    """Refuse writing requests that a browser says come from another site (ASVS 3.5.1)."""
    if request.method in _UNSAFE and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise NotAllowed(Code.CROSS_SITE)


def _refuse_unstorable() -> None:
    """Refuse ids and words that no database can hold: PostgreSQL takes no NUL, a 32-bit id no larger number."""
    refuse_impossible_ids()
    # The API reads queries and bodies itself, more strictly; whoever looks for a form first takes the body away.
    if request.path.startswith("/api/"):
        return
    told = [*request.args.listvalues(), *request.form.listvalues()]
    if any("\x00" in word for words in told for word in words):
        raise Unacceptable(Code.INVALID)


def _page_facts() -> dict[str, Any]:
    site_settings = db.runtime().settings.site
    kept = request.cookies.get("scheme")
    return {
        "site_name": site_settings.name,
        "site_url": site_settings.url,
        "default_language": site_settings.default_language,
        "brand": site_settings.brand,
        "scheme": kept if kept in ("light", "dark") else None,
    }
