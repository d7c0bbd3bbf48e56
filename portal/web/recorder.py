"""Filming in the page: the recorder of one call, and the code that opens it on a phone. The only page with a camera."""

import io
from typing import Final

import segno
from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal import campaigns, offers
from portal.web import calls
from portal.web.db import reading, runtime

bp = Blueprint("recorder", __name__)

USUAL_SECONDS: Final = 90
LONGEST_SECONDS: Final = 180
"""Longer recordings make phones reload the page (ux.md 2.3)."""

_PERMISSIONS: Final = "camera=(self), microphone=(self), geolocation=()"


@bp.get("/<lang>/participate/<slug>/film")
def record(lang: str, slug: str) -> AnyResponse:
    """Film a take for this call; where the call is not open, its own page says so."""
    session, settings = reading(), runtime().settings
    campaign = campaigns.by_slug(session, slug)
    if not calls.is_admitted(session, campaign):
        return redirect(url_for("submission.campaign", lang=lang, slug=slug), 303)
    longest = min(LONGEST_SECONDS, settings.uploads.max_seconds)
    html = render_template(
        "submission/record.html",
        campaign=campaign,
        text=campaigns.text_of(campaign, lang, settings.site.default_language),
        seconds=min(campaign.max_seconds or USUAL_SECONDS, longest),
        limits=offers.limits_of(campaign, settings.uploads),
        phone_url=calls.for_phone(session, campaign, lang),
    )
    answer = make_response(html)
    answer.headers["Permissions-Policy"] = _PERMISSIONS
    return answer


@bp.get("/<lang>/participate/<slug>/film.svg")
def code(lang: str, slug: str) -> Response:
    """The recorder's address as a QR code; a guest's code is the personal link."""
    session = reading()
    address = calls.for_phone(session, campaigns.by_slug(session, slug), lang)
    drawn = io.BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", scale=4, border=2, xmldecl=False)
    answer = make_response(drawn.getvalue())
    answer.headers["Content-Type"] = "image/svg+xml"
    # Who was invited gets another one under the same address.
    answer.headers["Cache-Control"] = "no-store"
    return answer
