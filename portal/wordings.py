"""The words people are asked to agree to: shipped ones, an administrator's in their place, and what was really shown.

A text that somebody has agreed to is stored as it was read and never changes. Never notes who agreed.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Unacceptable, Unavailable
from portal.i18n import gettext as _
from portal.i18n import language
from portal.models import Campaign, Clip, Consent, ConsentText, ConsentWording, CoSignature, SignatureState

OWNERS: Final = ("site", "adult", "social", "ads", "contact")
"""What a clip's owner is asked, in the form's order."""

OTHERS: Final = ("appear", "guardian")
"""What an adult in the film, and a minor's guardian, are asked."""

PURPOSES: Final = (*OWNERS, *OTHERS)
USUAL_MONTHS: Final = 24
SENTENCE_MOST: Final = 300
FULL_MOST: Final = 4000
_ATTEMPTS: Final = 5
_PLACES: Final = ("brand", "months")
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Wording:
    """One purpose as people read it: the sentence next to the box, and the full text behind it."""

    purpose: str
    sentence: str
    full: str

    @property
    def body(self) -> str:
        """Everything that is agreed to; this is what is stored and hashed."""
        return f"{self.sentence}\n\n{self.full}"

    @property
    def sha256(self) -> str:
        """The hash of `body`, in hex."""
        return hashlib.sha256(self.body.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """One stored version of a text, and how many agreements rest on it now."""

    text: ConsentText
    count: int


def shipped(purpose: str, lang: str, *, brand: str, months: int = USUAL_MONTHS) -> Wording:
    """The wording that comes with the portal; raises Unacceptable for an unknown purpose."""
    check({purpose})
    with language(lang):
        sentence, full = _shipped(purpose, brand, months)
    return Wording(purpose, sentence, full)


def in_force(
    session: Session, purpose: str, lang: str, *, brand: str, campaign: Campaign | None = None
) -> Wording:
    """What is read today: the campaign's words, else the portal's, else the shipped ones, with its term in them."""
    return all_in_force(session, [purpose], lang, brand=brand, campaign=campaign)[0]


def all_in_force(
    session: Session, purposes: Sequence[str], lang: str, *, brand: str, campaign: Campaign | None = None
) -> list[Wording]:
    """As `in_force`, for several purposes in their order."""
    variant = campaign.slug if campaign is not None else ""
    months = campaign.term_months if campaign is not None else USUAL_MONTHS
    asked = select(ConsentWording).where(
        ConsentWording.lang == lang,
        ConsentWording.variant.in_({"", variant}),
        ConsentWording.purpose.in_(purposes),
    )
    # The campaign's own come after the portal's, and take their place.
    own = {row.purpose: row for row in session.scalars(asked.order_by(ConsentWording.variant))}
    return [
        _written_out(own[purpose], brand, months)
        if purpose in own
        else shipped(purpose, lang, brand=brand, months=months)
        for purpose in purposes
    ]


def text_for(
    session: Session, purpose: str, lang: str, *, brand: str, campaign: Campaign | None = None
) -> ConsentText:
    """The stored text of what is read today; stored on first use, as the next version when the words have changed."""
    words = in_force(session, purpose, lang, brand=brand, campaign=campaign)
    is_special = campaign is not None and words != in_force(session, purpose, lang, brand=brand)
    variant = campaign.slug if campaign is not None and is_special else ""
    for _attempt in range(_ATTEMPTS):
        newest = _newest(session, purpose, lang, variant)
        if newest is not None and newest.sha256 == words.sha256:
            return newest
        # Versions are counted over all variants: one number names one text of a purpose and language.
        latest = _newest(session, purpose, lang)
        text = ConsentText(
            purpose=purpose,
            variant=variant,
            lang=lang,
            version=latest.version + 1 if latest else 1,
            body=words.body,
            sha256=words.sha256,
            created_at=db_now(session),
        )
        try:
            with session.begin_nested():
                session.add(text)
        except IntegrityError:
            # Somebody else stored a text at the same moment: perhaps this very one.
            continue
        return text
    raise Unavailable(Code.OURS_DATABASE)


def written(session: Session, purpose: str, lang: str, variant: str = "") -> ConsentWording | None:
    """An administrator's own words for this purpose, if there are any."""
    return session.scalars(
        select(ConsentWording).where(
            ConsentWording.purpose == purpose,
            ConsentWording.lang == lang,
            ConsentWording.variant == variant,
        )
    ).one_or_none()


def write(
    session: Session,
    purpose: str,
    lang: str,
    sentence: str,
    full: str,
    *,
    variant: str = "",
    author_id: int | None = None,
) -> None:
    """Put words of one's own in place of the shipped ones; both empty: back to those.

    `{brand}` and `{months}` stand for the brand and the campaign's term. What was agreed to so far stays as it was
    read. Raises Unacceptable with the faults by field (sentence, full).
    """
    check({purpose})
    sentence, full = " ".join(sentence.split()), full.replace("\r\n", "\n").strip()
    row = written(session, purpose, lang, variant)
    if not sentence and not full:
        if row is not None:
            session.delete(row)
            session.flush()
        return
    faults = _faults(sentence, full)
    if faults:
        raise Unacceptable(Code.INVALID, fields=faults)
    if row is None:
        row = ConsentWording(purpose=purpose, lang=lang, variant=variant)
    row.sentence, row.full, row.author_id, row.changed_at = sentence, full, author_id, db_now(session)
    session.add(row)
    session.flush()


def versions(session: Session, lang: str, variant: str = "") -> dict[str, list[Standing]]:
    """Every stored text of a language by purpose, newest first, with the clips that rest on it now."""
    owners = (
        select(Consent.text_id, func.count(Consent.clip_id.distinct()))
        .where(Consent.revoked_at.is_(None))
        .group_by(Consent.text_id)
    )
    others = (
        select(CoSignature.text_id, func.count(CoSignature.clip_id.distinct()))
        .where(CoSignature.state == SignatureState.AGREED, CoSignature.removed_at.is_(None))
        .group_by(CoSignature.text_id)
    )
    counts: dict[int | None, int] = {}
    for asked in (owners, others):
        counts |= {text_id: number for text_id, number in session.execute(asked)}  # noqa: C416 - as everywhere
    rows = select(ConsentText).where(ConsentText.lang == lang, ConsentText.variant == variant)
    found: dict[str, list[Standing]] = {purpose: [] for purpose in PURPOSES}
    for text in session.scalars(rows.order_by(ConsentText.version.desc())):
        found.setdefault(text.purpose, []).append(Standing(text, counts.get(text.id, 0)))
    return found


def campaign_of(session: Session, clip: Clip) -> Campaign:
    """The campaign that a clip answers: its words and its term are the ones that count."""
    return session.get_one(Campaign, clip.campaign_id)


def check(purposes: Iterable[str]) -> None:
    """Raises Unacceptable, by name, for purposes that nobody asks for."""
    unknown = set(purposes) - set(PURPOSES)
    if unknown:
        fields = {f"consents.{purpose}": Code.UNKNOWN_FIELD for purpose in sorted(unknown)}
        raise Unacceptable(Code.UNKNOWN_FIELD, fields=fields)


def _newest(session: Session, purpose: str, lang: str, variant: str | None = None) -> ConsentText | None:
    asked = select(ConsentText).where(ConsentText.purpose == purpose, ConsentText.lang == lang)
    if variant is not None:
        asked = asked.where(ConsentText.variant == variant)
    return session.scalars(asked.order_by(ConsentText.version.desc()).limit(1)).one_or_none()


def _faults(sentence: str, full: str) -> dict[str, Code]:
    faults: dict[str, Code] = {}
    for name, words, most in (("sentence", sentence, SENTENCE_MOST), ("full", full, FULL_MOST)):
        if not words:
            faults[name] = Code.REQUIRED
        elif len(words) > most:
            faults[name] = Code.TOO_LONG_TEXT
        elif set(_PLACE.findall(words)) - set(_PLACES):
            faults[name] = Code.UNKNOWN_PLACE
    return faults


def _written_out(row: ConsentWording, brand: str, months: int) -> Wording:
    return Wording(row.purpose, _filled(row.sentence, brand, months), _filled(row.full, brand, months))


def _filled(words: str, brand: str, months: int) -> str:
    known = {"brand": brand, "months": str(months)}
    return _PLACE.sub(lambda place: known.get(place[1], place[0]), words)


def _shipped(purpose: str, brand: str, months: int) -> tuple[str, str]:
    """Sentence and full text in the current language; the hash changes with every letter."""
    if purpose == "site":
        return (
            _(
                "J’accepte que %(brand)s montre ce clip sur ce site, et sur les pages qui l’y reprennent, pendant "
                "%(months)s mois.",
                brand=brand,
                months=months,
            ),
            _(
                "Le clip, votre prénom, votre ville si vous la donnez et vos textes sont visibles par tous sur ce "
                "site et dans les lecteurs qu’il offre à d’autres pages. %(brand)s peut réduire la taille du film, "
                "ajouter des sous-titres et choisir une image, sans en changer le sens. Rien ne vous est pris : le "
                "film reste à vous. Nous vous écrivons 30 jours avant la fin ; sans réponse de votre part, le clip "
                "quitte le site. Vous pouvez le retirer à tout moment, sans dire pourquoi ; il disparaît du site "
                "aussitôt.",
                brand=brand,
            ),
        )
    if purpose == "adult":
        return (
            _("J’ai 18 ans ou plus, et ce film est le mien."),
            _(
                "Vous avez filmé vous-même, ou la personne qui a filmé est d’accord. Les autres personnes que l’on "
                "reconnaît dans le film sont celles que vous nommez, et elles seules : chacune reçoit le lien qui "
                "lui permet de dire oui ou non, et pour un enfant, un de ses parents ou son responsable."
            ),
        )
    if purpose in OTHERS:
        return _shipped_to_others(purpose, brand, months)
    return _shipped_optional(purpose, brand)


def _shipped_optional(purpose: str, brand: str) -> tuple[str, str]:
    if purpose == "social":
        return (
            _("%(brand)s peut aussi montrer ce clip sur ses réseaux sociaux.", brand=brand),
            _(
                "Le clip peut être repris, entier ou en extrait, sur les comptes de %(brand)s, aussi longtemps qu’il "
                "peut être montré sur ce site. Si vous revenez sur cet accord, %(brand)s efface ses propres "
                "publications ; les copies faites par d’autres ne dépendent pas de nous.",
                brand=brand,
            ),
        )
    if purpose == "ads":
        return (
            _("%(brand)s peut aussi utiliser ce clip dans sa publicité.", brand=brand),
            _(
                "Le clip peut paraître, entier ou en extrait, dans des annonces payées par %(brand)s, aussi longtemps "
                "qu’il peut être montré sur ce site, et jamais avec des mots que vous n’avez pas dits.",
                brand=brand,
            ),
        )
    return (
        _("%(brand)s peut m’écrire au sujet de ce clip.", brand=brand),
        _(
            "Par exemple pour vous demander une précision ou vous inviter. Les messages sur l’avancement de votre "
            "clip vous parviennent dans tous les cas."
        ),
    )


def _shipped_to_others(purpose: str, brand: str, months: int) -> tuple[str, str]:
    if purpose == "appear":
        return (
            _(
                "J’ai 18 ans ou plus, et j’accepte de paraître dans ce clip, que %(brand)s montre sur son site "
                "pendant %(months)s mois.",
                brand=brand,
                months=months,
            ),
            _(
                "On vous voit ou on vous entend dans ce film. Il peut être vu par tous sur ce site et dans les "
                "lecteurs qu’il offre à d’autres pages. Pour tout autre usage, réseaux sociaux ou publicité, "
                "%(brand)s devra vous le demander à part. Votre nom n’est pas affiché. Vous pouvez revenir sur votre "
                "accord à tout moment, par le même lien et sans dire pourquoi : le clip quitte alors le site "
                "aussitôt.",
                brand=brand,
            ),
        )
    return (
        _(
            "Je suis le parent ou le responsable légal de cet enfant, et j’accepte qu’il paraisse dans ce clip, que "
            "%(brand)s montre sur son site pendant %(months)s mois.",
            brand=brand,
            months=months,
        ),
        _(
            "On voit ou on entend l’enfant dans ce film. Vous acceptez qu’il ait été filmé, et que le film soit "
            "publié : il peut être vu par tous sur ce site et dans les lecteurs qu’il offre à d’autres pages. Pour "
            "tout autre usage, réseaux sociaux ou publicité, %(brand)s devra vous le demander à part. Si l’enfant "
            "est en âge de le comprendre, vous lui en avez parlé, et il est d’accord. Son nom et le vôtre ne sont "
            "pas affichés. Vous pouvez revenir sur cet accord à tout moment, par le même lien et sans dire "
            "pourquoi : le clip quitte alors le site aussitôt.",
            brand=brand,
        ),
    )
