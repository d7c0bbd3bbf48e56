"""Taking part: the entry, a campaign's one page, sending without script, and the owner's status page."""

from typing import Any

from babel import Locale
from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import (
    campaigns,
    consent,
    people,
    processing,
    readiness,
    reasons,
    submission,
    themes,
    uploads,
    withdrawal,
)
from portal.database import db_now
from portal.errors import Code, Conflict, Missing, PortalError, Unacceptable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER
from portal.models import Campaign, Clip, Decision, Film, Rendition, State, Upload, UploadState
from portal.reasons import sentence
from portal.web import about_form, captions, cut_panel
from portal.web.about_form import About
from portal.web.db import reading, runtime, writing
from portal.web.playback import first_playable, preview_of, preview_playlist
from portal.web.posters import choice_of

bp = Blueprint("submission", __name__)

# States in which the last decision's reasons are what the owner must know.
_REASONED = {State.CHANGES_REQUESTED: "request_changes", State.REJECTED: "reject", State.REMOVED: "unpublish"}
_WITH_PREVIEW = {
    State.PROCESSING, State.IN_REVIEW, State.CHANGES_REQUESTED, State.APPROVED, State.PUBLISHED, State.REJECTED,
    State.FAILED,
}  # fmt: skip
_TOKEN_LENGTH = range(43, 101)


@bp.get("/<lang>/participate")
def entry(lang: str) -> str:
    """What taking part means, and the calls that are open."""
    session, default = reading(), runtime().settings.site.default_language
    now = db_now(session)
    everyone = campaigns.every(session)
    told = [(one, campaigns.text_of(one, lang, default)) for one in everyone]
    open_ones = [pair for pair in told if campaigns.is_open(pair[0], now)]
    closed = [pair for pair in told if pair[0].closes_at is not None and pair[0].closes_at <= now]
    return render_template(
        "submission/entry.html", open_ones=open_ones, closed=closed, limits=runtime().settings.uploads
    )


@bp.get("/<lang>/participate/<slug>")
def campaign(lang: str, slug: str) -> Response:
    """Choose a film, tell about it, agree: one page."""
    session = reading()
    found = campaigns.by_slug(session, slug)
    if not campaigns.is_open(found, db_now(session)):
        return _closed(session, found, lang)
    about = About(values={"speech_lang": lang})
    return _campaign_page(session, found, lang, about, token=people.new_token())


@bp.post("/<lang>/participate/<slug>")
def send(lang: str, slug: str) -> AnyResponse:
    """Keep texts and consents; sending the same page twice finds the first draft."""
    about, token = about_form.sent(), _form_token()
    is_later = "later" in request.form
    texts = about.texts()
    about.require(("email",) if is_later else about_form.REQUIRED)
    found = campaigns.by_slug(reading(), slug)
    try:
        if about.faults:
            raise Unacceptable(Code.INVALID, fields={})
        with writing() as session:
            clip = _draft(session, found.slug, lang, token, texts, about)
            if is_later:
                submission.finish_later(session, clip)
            lacks_film = "film" in readiness.missing(session, clip)
            by_form = lacks_film and not is_later and request.form.get("script") != "1"
            form_upload = uploads.open_form(session, clip, by=OWNER).id if by_form else None
    except PortalError as error:
        if error.code == Code.CAMPAIGN_CLOSED:
            return _closed(reading(), found, lang)
        if not about.faults:
            about.blame(error)
        page = _campaign_page(reading(), found, lang, about, token=token)
        page.status_code = 422
        return page
    if form_upload:
        return redirect(url_for(".status_film", lang=lang, token=token, upload=form_upload), 303)
    if is_later:
        flash(_("Tout est gardé. Le lien pour finir est dans votre boîte de réception."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.get("/<lang>/s/<token>")
def status(lang: str, token: str) -> Response:
    """Where the clip is, in plain words, and what its owner can do now."""
    session = reading()
    clip = submission.by_link(session, token)
    return _status_page(session, clip, lang, token, about_form.of_clip(session, clip))


@bp.post("/<lang>/s/<token>/texts")
def status_texts(lang: str, token: str) -> AnyResponse:
    """Change the texts and the optional consents."""
    return _change(lang, token, is_answer=False)


@bp.post("/<lang>/s/<token>/answer")
def status_answer(lang: str, token: str) -> AnyResponse:
    """Answer what a moderator asked for, with words alone."""
    return _change(lang, token, is_answer=True)


@bp.post("/<lang>/s/<token>/consents")
def status_consents(lang: str, token: str) -> AnyResponse:
    """Give or take back the optional uses, in any state but the last ones."""
    about = about_form.sent()
    optional = set(consent.PURPOSES) - set(consent.REQUIRED)
    with writing() as session:
        clip = submission.by_link(session, token)
        site = runtime().settings.site
        back = about.taken_back & optional
        submission.agree(session, clip, about.consents & optional, by=OWNER, site=site, taken_back=back)
    flash(_("C’est noté."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.post("/<lang>/s/<token>/keep-beginning")
def status_keep_beginning(lang: str, token: str) -> AnyResponse:
    """Only the beginning of the film arrived, and its owner wants it so."""
    try:
        with writing() as session:
            processing.keep_beginning(session, submission.by_link(session, token), by=OWNER)
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
    else:
        flash(_("C’est noté : nous gardons ce qui est arrivé."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.post("/<lang>/s/<token>/film")
def status_open_form(lang: str, token: str) -> AnyResponse:
    """Prepare a plain form post of a film, for browsers without script."""
    with writing() as session:
        clip = submission.by_link(session, token)
        upload = uploads.open_form(session, clip, by=OWNER)
    return redirect(url_for(".status_film", lang=lang, token=token, upload=upload.id), 303)


@bp.get("/<lang>/s/<token>/film")
def status_film(lang: str, token: str) -> AnyResponse:
    """The plain form that posts one film straight to the storage."""
    session, machines = reading(), runtime()
    clip = submission.by_link(session, token)
    upload = _form_upload(session, clip, request.args.get("upload", ""))
    if upload.state != UploadState.OPEN:
        return redirect(url_for(".status", lang=lang, token=token), 303)
    limit = min(uploads.FORM_MAX_BYTES, machines.settings.uploads.max_bytes)
    back = machines.settings.site.url + url_for(
        ".status_received", lang=lang, token=token, upload_id=upload.id
    )
    url, fields = machines.storage.sign_post(
        upload.key, max_bytes=limit, redirect_url=back, ttl=4 * uploads.URL_SECONDS
    )
    html = render_template(
        "submission/film.html", action=url, fields=fields, limit=limit, limits=machines.settings.uploads,
        token=token,
    )  # fmt: skip
    return make_response(html)


@bp.get("/<lang>/s/<token>/received/<upload_id>")
def status_received(lang: str, token: str, upload_id: str) -> AnyResponse:
    """Where the storage leads after a form post: check the object, hand it to the worker.

    A GET that writes, because the storage redirects with one; it does nothing without the object, nor twice. The
    upload stands in the path: some stores drop the query of the address they redirect to.
    """
    session, machines = reading(), runtime()
    clip = submission.by_link(session, token)
    upload = _form_upload(session, clip, upload_id)
    try:
        uploads.complete(machines.work, machines.storage, upload.id, by=OWNER)
    except PortalError as error:
        flash(reasons.sentence(error.code, **error.facts), "error")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.get("/<lang>/s/<token>/preview.m3u8")
def status_preview(lang: str, token: str) -> Response:
    """The playlist of a film that is watched while its ladder is being made."""
    session = reading()
    film = readiness.newest_film(session, submission.by_link(session, token))
    answer = make_response(preview_playlist(runtime().storage, film))
    answer.headers["Content-Type"] = "application/vnd.apple.mpegurl"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Language"] = lang
    return answer


def _form_token() -> str:
    """The page's own random token; a form without a sound one gets another."""
    given = request.form.get("token", "")
    is_sound = (
        len(given) in _TOKEN_LENGTH and given.isascii() and given.replace("-", "").replace("_", "").isalnum()
    )
    return given if is_sound else people.new_token()


def _draft(session: Session, slug: str, lang: str, token: str, texts: submission.Texts, about: About) -> Clip:
    """The draft behind this page's token, made or changed."""
    site = runtime().settings.site
    try:
        clip = submission.by_link(session, token)
    except Missing:
        found = campaigns.by_slug(session, slug)
        try:
            with session.begin_nested():
                return submission.begin(
                    session, found, lang=lang, texts=texts, consents=about.consents, channel="site",
                    by=OWNER, site=site, token=token,
                )[0]  # fmt: skip
        except IntegrityError:
            # The button was pressed twice, and the first press made the draft in between.
            clip = submission.by_link(session, token)
    if clip.state in submission.EDITABLE:
        submission.edit(session, clip, texts, by=OWNER)
        submission.agree(session, clip, about.consents, by=OWNER, site=site, taken_back=about.taken_back)
    return clip


def _change(lang: str, token: str, *, is_answer: bool) -> AnyResponse:
    about, site = about_form.sent(), runtime().settings.site
    texts = about.texts()
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            if clip.state not in (State.DRAFT, State.UPLOADING):
                about.require()
            if about.faults:
                raise Unacceptable(Code.INVALID, fields={})
            back = about.taken_back if clip.state == State.DRAFT else about.taken_back - set(consent.REQUIRED)
            submission.agree(session, clip, about.consents, by=OWNER, site=site, taken_back=back)
            (submission.answer if is_answer else submission.edit)(session, clip, texts, by=OWNER)
    except PortalError as error:
        if not about.faults and not error.fields:
            flash(reasons.sentence(error.code, **error.facts), "error")
            return redirect(url_for(".status", lang=lang, token=token), 303)
        if not about.faults:
            about.blame(error)
        page = _status_page(reading(), submission.by_link(reading(), token), lang, token, about)
        page.status_code = 422
        return page
    flash(
        _("Merci. Un modérateur regarde votre réponse.") if is_answer else _("C’est enregistré."), "success"
    )
    return redirect(url_for(".status", lang=lang, token=token), 303)


def _form_upload(session: Session, clip: Clip, upload_id: str) -> Upload:
    upload = uploads.upload_by_id(session, upload_id[:32].replace("\x00", ""))
    if upload.clip_id != clip.id or upload.storage_id:
        raise Missing(Code.MISSING)
    return upload


def _closed(session: Session, found: Campaign, lang: str) -> Response:
    default = runtime().settings.site.default_language
    others = [(one, campaigns.text_of(one, lang, default)) for one in campaigns.open_now(session)]
    html = render_template(
        "submission/closed.html",
        campaign=found,
        text=campaigns.text_of(found, lang, default),
        others=others,
        now=db_now(session),
    )
    return make_response(html, 200 if request.method == "GET" else 409)


def _form_facts(session: Session, lang: str) -> dict[str, Any]:
    """What every page with the owner's form needs: themes, languages, wordings, limits."""
    site = runtime().settings.site
    named = [
        {"slug": one.slug, "name": themes.name_of(one, lang, site.default_language)}
        for one in themes.visible(session)
    ]
    names = Locale.parse(lang).languages
    spoken = [(code, names.get(code, code)) for code in submission.SPEECH_LANGUAGES]
    first = [pair for pair in spoken if pair[0] in site.languages]
    rest = sorted(
        (pair for pair in spoken if pair[0] not in site.languages), key=lambda pair: pair[1].casefold()
    )
    wordings = [consent.wording(purpose, lang, brand=site.brand) for purpose in consent.PURPOSES]
    return {
        "themes": named,
        "spoken": first + rest,
        "wordings": wordings,
        "required": consent.REQUIRED,
        "limits": runtime().settings.uploads,
        "this_year": db_now(session).year,
        "longest": submission.LONGEST,
    }


def _campaign_page(session: Session, found: Campaign, lang: str, about: About, *, token: str) -> Response:
    text = campaigns.text_of(found, lang, runtime().settings.site.default_language)
    html = render_template(
        "submission/campaign.html", campaign=found, text=text, about=about, token=token,
        **_form_facts(session, lang),
    )  # fmt: skip
    answer = make_response(html)
    # The page holds a token of its own.
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _status_page(session: Session, clip: Clip, lang: str, token: str, about: About) -> Response:
    film = readiness.newest_film(session, clip)
    decision = _decision(session, clip)
    open_here = uploads.open_uploads(session, clip) if clip.state in uploads.ACCEPTING else []
    html = render_template(
        "submission/status.html",
        clip=clip,
        token=token,
        about=about,
        film=film,
        progress=processing.progress_of(session, clip) if clip.state == State.PROCESSING else None,
        missing=readiness.missing(session, clip),
        reasons=[(reason, reasons.name_of(reason.code), reasons.rule_of(reason.code)) for reason in decision],
        fault=_fault(clip),
        poster=choice_of(session, clip, by=OWNER),
        uploads=[(upload, _percent(upload)) for upload in open_here],
        playback=captions.with_tracks(
            _preview(session, clip, film, lang, token),
            session,
            clip,
            lambda tr: url_for("captions.owners", lang=lang, token=token, tr=tr, form="vtt"),
        ),
        captions=captions.on_status(session, clip),
        cutting=cut_panel.of(session, clip) if clip.state in _WITH_PREVIEW else None,
        is_editable=clip.state in submission.EDITABLE,
        takes_film=clip.state in uploads.ACCEPTING,
        undo_until=withdrawal.may_restore_until(clip) if withdrawal.can_restore(session, clip) else None,
        erased_on=clip.state_since + withdrawal.ERASE_AFTER,
        slug=themes.slugify(clip.title) or "clip",
        **_form_facts(session, lang),
    )
    answer = make_response(html)
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


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
        playlist = url_for(".status_preview", lang=lang, token=token)
        if first := first_playable(storage, film, playlist, clip):
            return first
    if clip.cut_id is None:
        return None
    made = session.scalars(select(Rendition).where(Rendition.cut_id == clip.cut_id))
    return preview_of(storage, made, clip)
