"""Which language this visitor gets, and the words, dates and figures of that language in templates."""

from typing import Any
from urllib.parse import urlencode

from flask import Flask, abort, g, request, url_for

from portal import i18n
from portal.web.db import runtime

COOKIE = "lang"


def preferred_language() -> str:
    """The visitor's language by cookie, then by the browser's wish, then the portal's default."""
    site = runtime().settings.site
    kept = request.cookies.get(COOKIE, "")
    if kept in site.languages:
        return kept
    return request.accept_languages.best_match(site.languages) or site.default_language


def url_for_lang(code: str) -> str:
    """This same page in another language, its query kept; pages without a language: the switch."""
    values = dict(request.view_args or {})
    if request.endpoint is None or "lang" not in values:
        return url_for("site.language", code=code, next=request.path)
    # Not as arguments of `url_for`: a visitor's `?_scheme=` or `?endpoint=` would be taken for its own.
    address = url_for(request.endpoint, **{**values, "lang": code})
    asked = urlencode(list(request.args.items(multi=True)))
    return f"{address}?{asked}" if asked else address


def init_app(app: Flask) -> None:
    """Choose the language before each request and hand words and formats to the templates."""
    env = app.jinja_env
    env.add_extension("jinja2.ext.i18n")
    env.install_gettext_callables(  # type: ignore[attr-defined]
        i18n.raw_gettext, i18n.raw_ngettext, newstyle=True
    )
    for function in (
        i18n.format_date,
        i18n.format_month,
        i18n.format_datetime,
        i18n.format_number,
        i18n.format_duration,
        i18n.format_clock,
        i18n.format_bytes,
        i18n.own_name,
    ):
        env.globals[function.__name__] = function
    env.globals["url_for_lang"] = url_for_lang

    @app.before_request
    def choose() -> None:
        given = (request.view_args or {}).get("lang")
        languages = runtime().settings.site.languages
        if given is not None and given not in languages:
            i18n.set_language(preferred_language())
            abort(404)
        first = request.path.split("/", 2)[1] if given is None else given
        g.lang = first if first in languages else preferred_language()
        i18n.set_language(g.lang)

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        # A thread serves many visitors: no one's language may be the next one's.
        i18n.set_language(i18n.SOURCE)

    @app.context_processor
    def words() -> dict[str, Any]:
        languages = runtime().settings.site.languages
        return {
            "lang": i18n.current_language(),
            "languages": [(code, i18n.own_name(code)) for code in languages],
        }
