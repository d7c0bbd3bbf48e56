"""Taking part: the entry, a campaign's one page, sending without script, and the owner's status page."""

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal import (
    arrivals,
    campaigns,
    consent,
    offers,
    people,
    processing,
    readiness,
    reasons,
    submission,
    uploads,
)
from portal.errors import Code, Conflict, Missing, PortalError, TooMuch, Unacceptable, Unavailable
from portal.i18n import gettext as _
from portal.lifecycle import OWNER
from portal.models import Campaign, Clip, State, Upload, UploadState
from portal.reasons import sentence
from portal.web import about_form, calls, errors, guard
from portal.web.about_form import About
from portal.web.db import reading, runtime, writing
from portal.web.evidence import evidence
from portal.web.playback import preview_playlist
from portal.web.status_page import access, form_facts, status_page

bp = Blueprint("submission", __name__)

_TOKEN_LENGTH = range(43, 101)


@bp.get("/<lang>/participate")
def entry(lang: str) -> str:
    """What taking part means, and the calls that are open."""
    session, default = reading(), runtime().settings.site.default_language
    by_standing: dict[campaigns.Standing, list[Any]] = {how: [] for how in campaigns.Standing}
    for one, how in campaigns.standings(session).items():
        by_standing[how].append((one, campaigns.text_of(one, lang, default)))
    return render_template(
        "submission/entry.html",
        calls=[calls.told(session, one, lang) for one, _text in by_standing[campaigns.Standing.OPEN]],
        ahead=by_standing[campaigns.Standing.AHEAD],
        full=by_standing[campaigns.Standing.FULL],
        closed=by_standing[campaigns.Standing.CLOSED],
        first_day=campaigns.first_day,
        last_day=campaigns.last_day,
        canonical=url_for(".entry", lang=lang),
    )


@bp.get("/<lang>/participate/<slug>")
def campaign(lang: str, slug: str) -> Response:
    """Choose a film, tell about it, agree: one page."""
    session = reading()
    found = campaigns.by_slug(session, slug)
    if not calls.is_admitted(session, found):
        return calls.shut(found, lang)
    guest = calls.guest(session, found)
    about = about_form.of_guest(guest, lang) if guest is not None else About(values={"speech_lang": lang})
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
        if _drafted(reading(), token) is None:
            # Before the database's one writer is held: a broker that hangs must stop nobody else.
            guard.before_begin(found.slug, proof=request.form.get("proof", ""))
        with writing() as session:
            clip = _draft(session, found.slug, lang, token, texts, about)
            if is_later:
                submission.finish_later(session, clip)
            lacks_film = "film" in readiness.missing(session, clip)
            by_form = lacks_film and not is_later and request.form.get("script") != "1"
    except PortalError as error:
        if error.code in calls.SHUT:
            return calls.shut(found, lang, code=error.code)
        if isinstance(error, TooMuch | Unavailable) and not error.fields:
            return _not_now(found, lang, about, token, error)
        if not about.faults:
            about.blame(error)
        page = _campaign_page(reading(), found, lang, about, token=token)
        page.status_code = 422
        return page
    if by_form:
        return _to_form(lang, token)
    if is_later:
        flash(_("Tout est gardé. Le lien pour finir est dans votre boîte de réception."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.get("/<lang>/s/<token>")
def status(lang: str, token: str) -> Response:
    """Where the clip is, in plain words, and what its owner can do now."""
    session = reading()
    clip = submission.by_link(session, token)
    return status_page(session, clip, lang, token, about_form.of_clip(session, clip))


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
    back, given = about.taken_back & optional, about.consents & optional
    site, proof = runtime().settings.site, evidence(token, lang)
    try:
        with writing() as session:
            clip = submission.by_link(session, token)
            submission.agree(
                session, clip, given, by=OWNER, site=site, taken_back=back, proof=proof, seen=about.seen
            )
    except Conflict as error:
        flash(sentence(error.code, **error.facts), "error")
    else:
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
    return _to_form(lang, token)


@bp.post("/<lang>/s/<token>/confirm")
def status_confirm(lang: str, token: str) -> AnyResponse:
    """Whoever presses this button came by our letter: the address is right."""
    with writing() as session:
        submission.confirm(session, submission.by_link(session, token), token, by=OWNER)
    flash(_("Merci, votre adresse est confirmée."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.post("/<lang>/s/<token>/write-again")
def status_write_again(lang: str, token: str) -> AnyResponse:
    """Send the letter that confirms the address once more."""
    clip = submission.by_link(reading(), token)
    guard.before_letter(clip.id, "confirm", an_hour=6)
    with writing() as session:
        submission.write_again(session, submission.by_link(session, token))
    flash(_("Nous venons de vous écrire. Regardez aussi dans les indésirables."), "success")
    return redirect(url_for(".status", lang=lang, token=token), 303)


@bp.post("/<lang>/s/<token>/fresh-link")
def status_fresh_link(lang: str, token: str) -> AnyResponse:  # noqa: ARG001 - the address has it
    """Send a fresh link to the mailbox whose clip an old one opened; here it is shown to nobody."""
    guard.before_letter(people.hash_token(token), "fresh_link")
    with writing() as session:
        submission.write_fresh_link(session, token)
    return make_response(render_template("submission/old_link.html", is_sent=True))


@bp.app_errorhandler(submission.OldLink)
def old_link(error: submission.OldLink) -> Response:
    """The page of a link whose time is over."""
    token = (request.view_args or {}).get("token", "")
    if not token or errors.wants_json():
        return errors.refuse(error)
    answer = make_response(render_template("submission/old_link.html", token=token), 410)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.errorhandler(CSRFError)
def stale(_error: CSRFError) -> AnyResponse:
    """A form that stood open for longer than its session comes back as it was filled in, to be sent once more."""
    try:
        page = _filled_again()
    except PortalError as error:
        return errors.refuse(error)
    page.status_code = 403
    return page


@bp.get("/<lang>/s/<token>/film")
def status_film(lang: str, token: str) -> AnyResponse:
    """The plain form that posts one film straight to the storage."""
    session, machines = reading(), runtime()
    clip = submission.by_link(session, token)
    upload = _form_upload(session, clip, request.args.get("upload", ""))
    if upload.state != UploadState.OPEN:
        return redirect(url_for(".status", lang=lang, token=token), 303)
    with writing():
        uploads.offered(session, upload)
    back = machines.settings.site.url + url_for(
        ".status_received", lang=lang, token=token, upload_id=upload.id
    )
    url, fields = machines.storage.sign_post(
        upload.key, max_bytes=upload.part_size, redirect_url=back, ttl=uploads.FORM_SECONDS
    )
    call = campaigns.by_id(session, clip.campaign_id)
    html = render_template(
        "submission/film.html", action=url, fields=fields, limit=upload.part_size,
        limits=offers.limits_of(call, machines.settings.uploads), token=token, clip=clip,
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
        arrivals.complete(machines.work, machines.storage, upload.id, by=OWNER)
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


def _to_form(lang: str, token: str) -> AnyResponse:
    """To the page with the form for the film; a film that may not come now can be sent later, all words are kept."""
    session, limits = reading(), runtime().settings.uploads
    clip = submission.by_link(session, token)
    try:
        if uploads.waiting_form(session, clip) is None:
            guard.before_upload(clip.id, uploads.most_of_a_form(limits))
        with writing():
            form = uploads.open_form(session, clip, limits=limits, by=OWNER)
    except PortalError as error:
        flash(reasons.sentence(error.code, **error.facts), "error")
        return redirect(url_for(".status", lang=lang, token=token), 303)
    return redirect(url_for(".status_film", lang=lang, token=token, upload=form.id), 303)


def _filled_again() -> Response:
    about, where, session = about_form.sent(), request.view_args or {}, reading()
    said = _(
        "Cette page est restée ouverte longtemps. Vos réponses sont là : relisez-les, puis envoyez de nouveau."
    )
    if request.endpoint == "submission.send":
        # Agreements are given by hand, each time.
        about.consents.clear()
        found = campaigns.by_slug(session, where["slug"])
        return _campaign_page(session, found, where["lang"], about, token=_form_token(), refusal=said)
    if request.endpoint in ("submission.status_texts", "submission.status_answer"):
        clip = submission.by_link(session, where["token"])
        about.consents = set(consent.standing(session, clip))
        flash(said, "warning")
        return status_page(session, clip, where["lang"], where["token"], about)
    return errors.page(403, Code.PAGE_TOO_OLD)


def _not_now(found: Campaign, lang: str, about: About, token: str, error: TooMuch | Unavailable) -> Response:
    """The same page with everything that was written, and when it may be sent again."""
    errors.note(error)
    refusal, ticket = reasons.sentence(error.code, **error.facts), error.facts.get("ticket", "")
    page = _campaign_page(reading(), found, lang, about, token=token, refusal=refusal, proof=ticket)
    page.status_code = error.status
    page.headers["Retry-After"] = str(error.facts.get("retry_after", 60))
    return page


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
    if (clip := _drafted(session, token)) is None:
        found = campaigns.by_slug(session, slug)
        try:
            with session.begin_nested():
                return submission.begin(
                    session, found, lang=lang, texts=texts, consents=about.consents, channel="site",
                    by=OWNER, site=site, token=token, proof=evidence(token, lang),
                    invitation=calls.brought(session, request.form.get("invitation", "")), seen=about.seen,
                    inside=access(session, token).inside,
                )[0]  # fmt: skip
        except (IntegrityError, Conflict):
            # The button was pressed twice, and the first press made the draft in between.
            if (first := _drafted(session, token)) is None:
                raise
            clip = first
    if clip.state in submission.EDITABLE:
        submission.edit(session, clip, texts, by=OWNER, access=access(session, token))
        submission.agree(
            session, clip, about.consents, by=OWNER, site=site, taken_back=about.taken_back,
            proof=evidence(token, lang), seen=about.seen,
        )  # fmt: skip
    return clip


def _drafted(session: Session, token: str) -> Clip | None:
    try:
        return submission.by_link(session, token)
    except submission.OldLink:
        raise
    except Missing:
        return None


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
            submission.agree(
                session,
                clip,
                about.consents,
                by=OWNER,
                site=site,
                taken_back=back,
                proof=evidence(token, lang),
                seen=about.seen,
            )
            change = submission.answer if is_answer else submission.edit
            change(session, clip, texts, by=OWNER, access=access(session, token))
    except PortalError as error:
        if not about.faults and not error.fields:
            flash(reasons.sentence(error.code, **error.facts), "error")
            return redirect(url_for(".status", lang=lang, token=token), 303)
        if not about.faults:
            about.blame(error)
        page = status_page(reading(), submission.by_link(reading(), token), lang, token, about)
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


def _campaign_page(
    session: Session,
    found: Campaign,
    lang: str,
    about: About,
    *,
    token: str,
    refusal: str = "",
    proof: str = "",
) -> Response:
    text = campaigns.text_of(found, lang, runtime().settings.site.default_language)
    html = render_template(
        "submission/campaign.html", campaign=found, text=text, about=about, token=token, refusal=refusal, proof=proof, call=calls.told(session, found, lang),
        invitation=calls.token_of(session, found) or request.form.get("invitation", "")[:100],
        phone_url=calls.for_phone(session, found, lang),
        **form_facts(session, lang, found),
    )  # fmt: skip
    answer = make_response(html)
    # The page holds a token of its own.
    answer.headers["Cache-Control"] = "no-store"
    return answer
