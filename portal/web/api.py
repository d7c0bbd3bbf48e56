"""The JSON API for reading clips and for owners' submissions; programs' tokens; the page that shows it all.

Parses strictly, calls one rule, answers. Knows no cookie.
"""

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import (
    campaigns,
    cards,
    consent,
    gallery,
    offers,
    people,
    posters,
    processing,
    readiness,
    retention,
    signatures,
    submission,
    themes,
    views,
    withdrawal,
)
from portal.errors import Code, Missing, NotAllowed, Unacceptable
from portal.models import Campaign, Clip, Decision, SignatureState, State
from portal.ownership import Access
from portal.web import calls, guard, openapi, schemas
from portal.web.callers import Caller, bearer, caller, challenge, need, need_for
from portal.web.db import reading, runtime, writing
from portal.web.evidence import evidence
from portal.web.idempotency import idempotent
from portal.web.limits import address, limiter
from portal.web.strict import answer, body, empty, query, refuse_impossible_ids

bp = Blueprint("api", __name__)
bp.after_request(challenge)

# States in which the last decision's reasons are what the owner must know.
_REASONED = {State.CHANGES_REQUESTED: "request_changes", State.REJECTED: "reject", State.REMOVED: "unpublish"}


# A household watches some clips a minute; more is a program.
_VIEWS = "60/minute;5000/day"

bp.before_request(refuse_impossible_ids)


@bp.before_request
def count() -> None:
    """Whoever reads is counted: a program or an owner by the token, everybody else by the network."""
    if request.method == "GET":
        guard.before_read(_reader())


def _reader() -> str:
    try:
        who = caller()
    except NotAllowed:
        # A token that nobody has is refused by its page, and counts for its network.
        return ""
    return who.name if who.is_known else ""


@bp.get("/api/")
def shown() -> str:
    """The API on one page, for people."""
    return render_template(
        "api.html", calls=openapi.CALLS, prefix=openapi.PREFIX, query_fields=openapi.query_fields
    )


@bp.get("/api/v1/openapi.json")
def described() -> Response:
    """The API for programs."""
    return jsonify(openapi.document(runtime().settings.site.url))


# Catalogues ---------------------------------------------------------------------------------------------


@bp.get("/api/v1/themes")
def all_themes() -> Response:
    """The themes in use."""
    rows = themes.visible(reading())
    items = [schemas.Theme(slug=one.slug, names={name.lang: name.name for name in one.names}) for one in rows]
    return answer(schemas.Themes(items=items, next_cursor=None, total=len(items)))


@bp.get("/api/v1/campaigns")
def all_campaigns() -> Response:
    """The calls for clips, open or not."""
    session = reading()
    items = [_campaign(session, one, how) for one, how in campaigns.standings(session).items()]
    return answer(schemas.Campaigns(items=items, next_cursor=None, total=len(items)))


@bp.get("/api/v1/campaigns/<slug>/consents")
def consents(slug: str) -> Response:
    """What an owner is asked in this call today, with the hash by which a program says what was read."""
    asked, session, site = query(schemas.ConsentQuery), reading(), runtime().settings.site
    lang = asked.lang or site.default_language
    if lang not in site.languages:
        raise Unacceptable(Code.UNKNOWN_LANGUAGE, fields={"lang": Code.UNKNOWN_LANGUAGE})
    words = consent.asked(session, campaigns.by_slug(session, slug), lang, brand=site.brand)
    items = [
        schemas.ConsentWords(
            purpose=one.purpose, sentence=one.sentence, full=one.full, sha256=one.sha256,
            required=one.purpose in consent.REQUIRED,
        )
        for one in words
    ]  # fmt: skip
    return answer(schemas.ConsentTexts(items=items, next_cursor=None, total=len(items)))


def _campaign(session: Session, one: Campaign, how: campaigns.Standing) -> schemas.Campaign:
    texts = {
        text.lang: schemas.CampaignText(
            title=text.title, question=text.question, in_return=text.in_return, help=text.help,
            shots=campaigns.shot_list(text),
        )
        for text in one.texts
    }  # fmt: skip
    return schemas.Campaign(
        slug=one.slug,
        is_open=how is campaigns.Standing.OPEN,
        state=how.value,
        opens_at=one.opens_at,
        closes_at=one.closes_at,
        max_seconds=offers.limits_of(one, runtime().settings.uploads).max_seconds,
        themes=[theme.slug for theme in offers.themes_of(session, one)] if one.themes else [],
        answer_days=one.answer_days,
        term_months=one.term_months,
        invited_only=one.invited_only,
        example_clip_id=one.example_clip_id,
        texts=texts,
    )


# Published clips ----------------------------------------------------------------------------------------


@bp.get("/api/v1/clips")
def clips() -> Response:
    """Published clips by theme, words and language of speech."""
    asked, session = query(schemas.ClipQuery), reading()
    wanted = gallery.Filter(
        themes=_known_themes(session, asked.theme),
        match=asked.match,
        q=asked.q,
        lang=asked.lang,
        sort=asked.sort,
    )
    page = gallery.find(session, wanted, show=_show(), limit=asked.limit, cursor=asked.cursor or None)
    items = [schemas.ClipItem(**_card(card)) for card in page.cards]
    return answer(schemas.Clips(items=items, next_cursor=page.next_cursor, total=page.total))


@bp.get("/api/v1/clips/<clip_id>")
def clip(clip_id: str) -> Response:
    """One published clip with everything that plays it."""
    one = gallery.one(reading(), clip_id, show=_show())
    playback = schemas.Playback(
        hls_url=one.hls_url,
        mp4=[schemas.Mp4(height=file.height, url=file.url, bytes=file.bytes) for file in one.mp4],
        posters=_pictures(one.posters),
        storyboard=one.storyboard_url,
        captions=[schemas.Caption(**track) for track in one.captions],
    )
    return answer(schemas.Clip(**_card(one), playback=playback))


@bp.post("/api/v1/clips/<clip_id>/views")
@limiter.limit(_VIEWS)
def view(clip_id: str) -> Response:
    """Count a view, unless the browser asks not to be counted; the answer does not tell which."""
    body(schemas.Nothing)
    settings, head = runtime().settings, request.headers
    if "1" in (head.get("DNT"), head.get("Sec-GPC")):
        gallery.visible(reading(), clip_id)
        return empty()
    with writing() as session:
        views.count(
            session,
            clip_id,
            address=address(),
            agent=request.user_agent.string,
            key=settings.site.secret_key,
            thanks_after=settings.mail.thanks_after,
        )
    return empty()


def _known_themes(session: Session, slugs: list[str]) -> tuple[str, ...]:
    try:
        return tuple(themes.by_slug(session, slug).slug for slug in dict.fromkeys(slugs))
    except Missing as error:
        raise Unacceptable(Code.UNKNOWN_THEME, fields={"theme": Code.UNKNOWN_THEME}) from error


def _show() -> cards.Presentation:
    site = runtime().settings.site
    return cards.Presentation(
        file_url=runtime().storage.public_url,
        clip_url=lambda clip_id, slug: f"{site.url}/{site.default_language}/c/{clip_id}-{slug}",
        lang=site.default_language,
        default_lang=site.default_language,
        caption_url=lambda clip_id, tr: f"{site.url}/{site.default_language}/c/{clip_id}/captions/{tr}.vtt",
    )


def _card(card: cards.Card) -> dict[str, Any]:
    same = (
        *("id", "url", "title", "first_name", "city", "product", "owned_since", "filmed_on", "published_at"),
        *("seconds", "speech_lang", "owner_level", "incentive", "altered", "relation", "width", "height"),
    )
    named = [schemas.ThemeName(slug=slug, name=name) for slug, name in card.themes]
    return {
        **{name: getattr(card, name) for name in same},
        "themes": named,
        "posters": _pictures(card.posters),
    }


def _pictures(posters: dict[str, list[tuple[int, str]]] | None) -> dict[str, list[schemas.Picture]]:
    return {
        kind: [schemas.Picture(width=width, url=url) for width, url in sizes]
        for kind, sizes in (posters or {}).items()
    }


# Submissions --------------------------------------------------------------------------------------------


@bp.post("/api/v1/submissions")
@idempotent
def begin() -> Response:
    """Begin a submission; open to everybody, since the token it gives opens nothing but itself."""
    who = caller()
    if who.is_program:
        need("submit")
    said, site = body(schemas.NewSubmission), runtime().settings.site
    if said.lang and said.lang not in site.languages:
        raise Unacceptable(Code.UNKNOWN_LANGUAGE, fields={"lang": Code.UNKNOWN_LANGUAGE})
    token = people.new_token()
    guard.before_begin(said.campaign, proof=said.proof, is_known=who.is_program)
    with writing() as session:
        invitation = calls.brought(session, said.invitation or "")
        lang = said.lang or (invitation.lang if invitation is not None else site.default_language)
        made, token = submission.begin(
            session,
            _open_campaign(session, said.campaign),
            lang=lang,
            texts=_texts(said),
            consents=_consents(said, given=True),
            channel="api" if who.is_program else "site",
            by=who.actor,
            site=site,
            token=token,
            proof=evidence("" if who.is_program else token),
            invitation=invitation,
            seen=_seen(said),
        )
        told = schemas.NewSubmissionAnswer(
            id=made.id,
            token=token,
            status_url=f"{site.url}/{lang}/s/{token}",
            state=made.state,
            version=made.version,
            missing=readiness.missing(session, made),
        )
    return answer(told, 201)


@bp.get("/api/v1/submissions/<clip_id>")
def submission_state(clip_id: str) -> Response:
    """Where a submission is."""
    need_for(clip_id)
    return answer(_told(reading(), _clip(reading(), clip_id)))


@bp.patch("/api/v1/submissions/<clip_id>")
@idempotent
def edit(clip_id: str) -> Response:
    """Change words and consents; what is absent stays."""
    who = need_for(clip_id)
    said, site = body(schemas.SubmissionChange), runtime().settings.site
    with writing() as session:
        changed, texts = _clip(session, clip_id), _texts(said)
        # What consents alone are sent for may be past all editing.
        if texts != submission.Texts() or said.consents is UNSET:
            submission.edit(session, changed, texts, by=who.actor, access=_access(who))
        if said.consents is not UNSET:
            given, taken_back = _consents(said, given=True), _consents(said, given=False)
            submission.agree(
                session,
                changed,
                given,
                by=who.actor,
                site=site,
                taken_back=taken_back,
                proof=evidence(who.token),
                seen=_seen(said),
            )
        told = _told(session, changed)
    return answer(told)


@bp.post("/api/v1/submissions/<clip_id>/answer")
@idempotent
def answer_request(clip_id: str) -> Response:
    """Answer a change request with words alone; a new film answers by its upload."""
    who = need_for(clip_id)
    said = body(schemas.Texts)
    with writing() as session:
        changed = _clip(session, clip_id)
        submission.answer(session, changed, _texts(said), by=who.actor, access=_access(who))
        told = _told(session, changed)
    return answer(told)


@bp.post("/api/v1/submissions/<clip_id>/withdraw")
@idempotent
def withdraw(clip_id: str) -> Response:
    """Take the clip back: its page is gone with this answer, its files within the minute."""
    who = need_for(clip_id)
    said = body(schemas.Leaving)
    with writing() as session:
        taken = _clip(session, clip_id)
        withdrawal.withdraw(session, taken, by=who.actor, why=said.why)
        told = _told(session, taken)
    return answer(told, 202)


@bp.post("/api/v1/submissions/<clip_id>/confirm")
@idempotent
def confirm(clip_id: str) -> Response:
    """The owner's address is right: whoever calls has the token that was mailed there."""
    who = need_for(clip_id)
    body(schemas.Nothing)
    with writing() as session:
        mine = _clip(session, clip_id)
        submission.confirm(session, mine, bearer(), by=who.actor)
        told = _told(session, mine)
    return answer(told)


@bp.post("/api/v1/submissions/<clip_id>/keep-beginning")
@idempotent
def keep_beginning(clip_id: str) -> Response:
    """Make do with the beginning of a film whose end never arrived."""
    who = need_for(clip_id)
    body(schemas.Nothing)
    with writing() as session:
        kept = _clip(session, clip_id)
        processing.keep_beginning(session, kept, by=who.actor)
        told = _told(session, kept)
    return answer(told)


@bp.post("/api/v1/submissions/<clip_id>/poster")
@idempotent
def poster(clip_id: str) -> Response:
    """Choose the picture that the clip is known by."""
    who, said = need_for(clip_id), body(schemas.PosterChoice)
    with writing() as session:
        chosen = _clip(session, clip_id)
        posters.choose(session, chosen, said.at_seconds, by=who.actor)
        told = _told(session, chosen)
    return answer(told, 202)


def _open_campaign(session: Session, slug: str) -> Any:
    try:
        return campaigns.by_slug(session, slug)
    except Missing as error:
        raise Unacceptable(Code.INVALID, fields={"campaign": Code.MISSING}) from error


def _clip(session: Session, clip_id: str) -> Clip:
    found = session.get(Clip, clip_id)
    if found is None:
        raise Missing(Code.MISSING)
    return found


def _texts(said: schemas.Texts) -> submission.Texts:
    names = (
        *("email", "first_name", "title", "themes", "speech_lang", "city", "product", "owned_since"),
        *("filmed_on", "incentive", "altered", "music", "music_words", "relation"),
    )
    given = {name: value for name in names if (value := getattr(said, name)) is not UNSET}
    if said.people is not UNSET:
        given["people"] = [signatures.Named(one.name, one.email or None, one.minor) for one in said.people]
    cleared = frozenset(name for name, value in given.items() if value is None)
    return submission.Texts(**given, cleared=cleared)


def _access(who: Caller) -> Access:
    """A program answers for the address that it gives; whoever has a clip's token does not."""
    is_sure = who.is_program or not runtime().settings.site.confirms_email
    return Access(link=who.token, vouches=is_sure)


def _seen(said: schemas.SubmissionChange) -> dict[str, str]:
    if said.consents_seen is UNSET:
        return {}
    hashes = {purpose: getattr(said.consents_seen, purpose) for purpose in consent.PURPOSES}
    return {purpose: sha256 for purpose, sha256 in hashes.items() if sha256}


def _consents(said: schemas.SubmissionChange, *, given: bool) -> set[str]:
    if said.consents is UNSET:
        return set()
    return {purpose for purpose in consent.PURPOSES if getattr(said.consents, purpose) is given}


def _told(session: Session, one: Clip) -> schemas.Submission:
    at = processing.progress_of(session, one)
    return schemas.Submission(
        id=one.id,
        state=one.state,
        state_since=one.state_since,
        progress=schemas.Progress(step=at["step"], percent=at["percent"]) if at else None,
        reasons=_reasons(session, one),
        version=one.version,
        missing=readiness.missing(session, one),
        signatures=[
            schemas.SignatureState(
                name=named.name, minor=named.is_minor, state=SignatureState(named.state).value
            )
            for named in signatures.of(session, one)
        ],
        consent_until=one.consent_until,
        erased_on=retention.erased_on(session, one),
    )


def _reasons(session: Session, one: Clip) -> list[schemas.GivenReason]:
    if one.state == State.FAILED and one.fail_code:
        return [schemas.GivenReason(code=one.fail_code, at_seconds=None, words="")]
    if (verb := _REASONED.get(State(one.state))) is None:
        return []
    made = select(Decision).where(
        Decision.clip_id == one.id, Decision.verb == verb, Decision.undone_at.is_(None)
    )
    last = session.scalars(made.order_by(Decision.id.desc()).limit(1)).one_or_none()
    return [
        schemas.GivenReason(code=reason.code, at_seconds=reason.at_seconds, words=reason.words)
        for reason in (last.reasons if last else [])
    ]


# Programs' tokens ---------------------------------------------------------------------------------------


@bp.post("/api/v1/tokens")
@idempotent
def add_token() -> Response:
    """A program's key; its plain text is shown this once."""
    need("admin")
    said = body(schemas.NewToken)
    with writing() as session:
        token, plain = people.add_token(session, said.name, set(said.scopes))
        made = schemas.NewTokenAnswer(id=token.id, name=token.name, scopes=token.scopes.split(), token=plain)
    return answer(made, 201)


@bp.delete("/api/v1/tokens/<int:token_id>")
@idempotent
def revoke_token(token_id: int) -> Response:
    """End a program's key at once."""
    need("admin")
    with writing() as session:
        people.revoke_token(session, token_id)
    return empty()
