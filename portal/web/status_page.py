"""The owner's page of one clip, put together: state, preview, versions, reasons, form; and what the form needs.

Only looks; what can be done from the page is in submission.py and its neighbours.
"""

from dataclasses import replace
from typing import Any

from babel import Locale
from flask import Response, make_response, render_template, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import (
    campaigns,
    consent,
    cuts,
    desk,
    offers,
    owners,
    ownership,
    processing,
    readiness,
    reasons,
    retention,
    signatures,
    submission,
    terms,
    themes,
    uploads,
    withdrawal,
)
from portal.database import db_now
from portal.errors import Code, PortalError
from portal.lifecycle import OWNER
from portal.models import Campaign, Clip, Cut, Decision, Film, Person, Rendition, State, Upload
from portal.ownership import Access
from portal.web import captions, cut_panel, support, thread
from portal.web.about_form import About
from portal.web.db import runtime
from portal.web.owner import signed_in
from portal.web.playback import Playback, first_playable, preview_of
from portal.web.posters import choice_of

# States in which the last decision's reasons are what the owner must know.
_REASONED = {State.CHANGES_REQUESTED: "request_changes", State.REJECTED: "reject", State.REMOVED: "unpublish"}
_WITH_PREVIEW = {
    State.UPLOADING, State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED, State.REJECTED,
    State.FAILED,
}  # fmt: skip


def form_facts(session: Session, lang: str, call: Campaign) -> dict[str, Any]:
    """What every page with the owner's form needs: themes, languages, wordings, limits."""
    site = runtime().settings.site
    named = [
        {"slug": one.slug, "name": name, "lang": tongue}
        for one in offers.themes_of(session, call)
        for name, tongue in [themes.named(one, lang, site.default_language)]
    ]
    names = Locale.parse(lang).languages
    spoken = [(code, names.get(code, code)) for code in submission.SPEECH_LANGUAGES]
    first = [pair for pair in spoken if pair[0] in site.languages]
    rest = sorted(
        (pair for pair in spoken if pair[0] not in site.languages), key=lambda pair: pair[1].casefold()
    )
    return {
        "themes": named,
        "spoken": first + rest,
        "wordings": consent.asked(session, call, lang, brand=site.brand),
        "required": consent.REQUIRED,
        "limits": offers.limits_of(call, runtime().settings.uploads),
        "this_year": db_now(session).year,
        "longest": submission.LONGEST,
    }


def access(session: Session, token: str) -> Access:
    """How this request comes to a clip: by its link, perhaps signed in as well."""
    who = signed_in(session)
    confirms = runtime().settings.site.confirms_email
    return Access(inside=who.person.id if who is not None else None, link=token, vouches=not confirms)


def status_page(session: Session, clip: Clip, lang: str, token: str, about: About) -> Response:
    """The owner's page of one clip: where it stands, what can be done, with the form as it was filled in."""
    call = campaigns.by_id(session, clip.campaign_id)
    decision = _decision(session, clip)
    open_here = uploads.open_uploads(session, clip) if clip.state in uploads.ACCEPTING else []
    html = render_template(
        "submission/status.html",
        clip=clip,
        call=call,
        token=token,
        about=about,
        missing=readiness.missing(session, clip),
        reasons=[(reason, reasons.name_of(reason.code), reasons.rule_of(reason.code)) for reason in decision],
        fault=_fault(clip),
        uploads=[(upload, _percent(upload)) for upload in open_here],
        thread=thread.on_status(session, clip),
        support=support.of(session, clip),
        confirming=_confirming(session, clip, token),
        is_editable=clip.state in submission.EDITABLE,
        is_settled=not ownership.may_change(session, clip, access(session, token)),
        takes_film=clip.state in uploads.ACCEPTING,
        undo_until=withdrawal.may_restore_until(clip) if withdrawal.can_restore(session, clip) else None,
        named=signatures.of(session, clip),
        term=terms.of(session, clip),
        erased_on=retention.erased_on(session, clip),
        is_given_up=withdrawal.is_given_up(session, clip),
        promised=desk.promised_by(clip.state_since, working_days=call.answer_days),
        link_until=submission.link_until(session, token),
        is_inside=_is_inside(session, clip),
        public_url=_public_url(clip, lang),
        views=clip.views if clip.views >= owners.VIEWS_FROM else None,
        slug=themes.slugify(clip.title) or "clip",
        **_film_facts(session, clip, lang, token),
        **form_facts(session, lang, call),
    )
    answer = make_response(html)
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _film_facts(session: Session, clip: Clip, lang: str, token: str) -> dict[str, Any]:
    """What the page shows of the film: how far it is, preview, captions, cuts, picture, the ones before it."""
    film = readiness.newest_film(session, clip)
    tracks = captions.owners_tracks(lang, token)
    return {
        "film": film,
        "progress": processing.progress_of(session, clip) if clip.state == State.PROCESSING else None,
        "playback": captions.with_tracks(
            _preview(session, clip, film, lang, token),
            session,
            clip,
            lambda tr: url_for("captions.owners", lang=lang, token=token, tr=tr, form="vtt"),
        ),
        "captions": captions.on_status(session, clip),
        "cutting": cut_panel.of(session, clip, track_url=tracks) if clip.state in _WITH_PREVIEW else None,
        "poster": choice_of(session, clip, by=OWNER),
        "earlier": _earlier(session, clip, film),
    }


def _confirming(session: Session, clip: Clip, token: str) -> dict[str, Any] | None:
    """How the owner's address can be confirmed here: by a button for whoever came by our letter, else by that letter."""
    if clip.state not in submission.EDITABLE or not readiness.waits_for_confirmation(session, clip):
        return None
    owner = session.get_one(Person, clip.owner_id)
    return {"here": submission.is_mailed_link(session, clip, token), "address": owner.email}


def _decision(session: Session, clip: Clip) -> list[Any]:
    verb = _REASONED.get(State(clip.state))
    found = session.scalars(
        select(Decision)
        .where(Decision.clip_id == clip.id, Decision.verb == verb, Decision.undone_at.is_(None))
        .order_by(Decision.id.desc())
        .limit(1)
    ).one_or_none()
    return list(found.reasons) if found is not None else []


def _fault(clip: Clip) -> str:
    """Why a film could not be used, in words; empty when there is nothing to say."""
    if clip.state != State.FAILED:
        return ""
    code = Code(clip.fail_code) if clip.fail_code in set(Code) else Code.OURS_UNKNOWN
    limit = {Code.TOO_LONG: runtime().settings.uploads.max_seconds}.get(code)
    return reasons.sentence(code, **({"limit": limit} if limit else {}) | clip.fail_facts)


def _percent(upload: Upload) -> int:
    try:
        parts = uploads.received(runtime().storage, upload)
    except PortalError:
        return 0
    return sum(part.size_bytes for part in parts) * 100 // max(1, upload.size_bytes)


def _preview(session: Session, clip: Clip, film: Film | None, lang: str, token: str) -> Any:
    if clip.state not in _WITH_PREVIEW:
        return None
    storage = runtime().storage
    if film is not None and film.ready_at is None:
        playlist = url_for("submission.status_preview", lang=lang, token=token)
        # The film before it stands below, as what it is.
        return first_playable(storage, film, playlist, clip)
    if clip.cut_id is None:
        return None
    made = session.scalars(select(Rendition).where(Rendition.cut_id == clip.cut_id))
    return preview_of(storage, made, clip)


def _earlier(session: Session, clip: Clip, film: Film | None) -> Playback | None:
    """The film before the newest one, as long as both can be compared: while the new one is made, or waits."""
    if clip.state not in _WITH_PREVIEW or film is None:
        return None
    if film.ready_at is None and clip.cut_id is not None and clip.film_id != film.id:
        cut = session.get_one(Cut, clip.cut_id)
    elif (before := cuts.before(session, clip)) is not None:
        cut = before
    else:
        return None
    made = session.scalars(select(Rendition).where(Rendition.cut_id == cut.id))
    shown = preview_of(runtime().storage, made, clip)
    return replace(shown, seconds=cut.seconds or 0.0) if shown is not None else None


def _is_inside(session: Session, clip: Clip) -> bool:
    """Whether the owner is signed in here: then there is more to see than this one clip."""
    who = signed_in(session)
    return who is not None and who.person.id == clip.owner_id


def _public_url(clip: Clip, lang: str) -> str:
    path = url_for("gallery.clip", lang=lang, clip_id=clip.id, slug=themes.slugify(clip.title) or "clip")
    return f"{runtime().settings.site.url}{path}"
