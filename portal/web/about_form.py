"""Reads what an owner filled in on a page: texts, people, consents, and the faults next to each field; keeps the values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from portal import consent, people, readiness, reasons, signatures, submission, themes
from portal.errors import Code, PortalError
from portal.models import Clip, Invitation, Person
from portal.signatures import Named

TEXTS = ("title", "first_name", "city", "product", "speech_lang", "email")
DECLARED = ("music", "music_words", "relation", "incentive")
REQUIRED = ("title", "first_name", "speech_lang", "email", "consents.site", "consents.adult")
ROWS = 3
"""How many people can be named without script before the page comes again with more rows."""

_ROW = re.compile(r"people-([0-9]{1,2})-(name|email)")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody in the film as the form shows it; `state` is empty for whoever is not known yet."""

    name: str = ""
    email: str = ""
    is_minor: bool = False
    state: str = ""


@dataclass(slots=True)
class About:
    """One form's values as the page shows them, and the sentence for each faulty field."""

    values: dict[str, str] = field(default_factory=dict)
    themes: list[str] = field(default_factory=list)
    consents: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    # Who else is in the film: None where the form did not ask.
    people: list[PersonRow] | None = None
    # Which words stood beside each box, by their hash.
    seen: dict[str, str] = field(default_factory=dict)

    def fault(self, name: str, code: Code, **facts: Any) -> None:
        """Remember the first fault of a field."""
        self.faults.setdefault(name, reasons.sentence(code, **facts))

    def blame(self, error: PortalError) -> None:
        """Show a rule's refusal next to the fields it names; raises it again when it names none."""
        if not error.fields:
            raise error
        for name, code in error.fields.items():
            most = submission.LONGEST.get(name) if code == Code.TOO_LONG_TEXT else None
            self.fault(name, code, **({"most": most} if most else error.facts))
            if code == Code.TEXT_CHANGED:
                # What was ticked was ticked for other words.
                self.consents.discard(name.removeprefix("consents."))

    @property
    def taken_back(self) -> set[str]:
        """The purposes whose boxes are empty."""
        return set(consent.PURPOSES) - self.consents

    @property
    def rows(self) -> list[PersonRow]:
        """The rows to draw for people in the film: those that are filled in, and empty ones after them."""
        filled = self.people or []
        wanted = min(submission.MOST_PEOPLE, max(ROWS, len(filled) + 1))
        return filled + [PersonRow()] * (wanted - len(filled))

    def texts(self) -> submission.Texts:
        """What the rule takes; notes dates that are none and people who cannot be asked."""
        given = self.values
        cleared = frozenset(name for name in ("owned_since", "filmed_on") if not given.get(name))
        words: dict[str, Any] = {name: given.get(name, "") for name in TEXTS}
        words |= {name: given[name] for name in DECLARED if name in given}
        return submission.Texts(
            **{**words, "email": words["email"] or None},
            themes=self.themes,
            owned_since=self._year(),
            filmed_on=self._month(),
            altered=given["altered"] == "1" if "altered" in given else None,
            people=self._named(),
            cleared=cleared,
        )

    def _year(self) -> int | None:
        raw = self.values.get("owned_since", "")
        if raw and not (raw.isdecimal() and len(raw) == 4):
            self.fault("owned_since", Code.WRONG_DATE)
            return None
        return int(raw) if raw else None

    def _month(self) -> date | None:
        raw = self.values.get("filmed_on", "")
        try:
            return date.fromisoformat(f"{raw}-01") if raw else None
        except ValueError:
            self.fault("filmed_on", Code.WRONG_DATE)
            return None

    def _named(self) -> list[Named] | None:
        if self.people is None:
            return None
        if self.values.get("people") == "none":
            return []
        if self.values.get("people") == "some" and not self.people:
            self.fault("people-1-name", Code.REQUIRED)
        for number, row in enumerate(self.people, 1):
            if not row.name:
                self.fault(f"people-{number}-name", Code.REQUIRED)
            elif len(row.name) > signatures.NAME_MOST:
                self.fault(f"people-{number}-name", Code.TOO_LONG_TEXT, most=signatures.NAME_MOST)
            try:
                people.checked_email(row.email or "nobody@localhost")
            except PortalError as error:
                self.fault(f"people-{number}-email", error.code)
        return [Named(row.name, row.email or None, row.is_minor) for row in self.people]

    def require(self, names: tuple[str, ...] = REQUIRED) -> None:
        """Note every field that is needed and empty."""
        for name in names:
            purpose = name.removeprefix("consents.")
            if name != purpose:
                is_there = purpose in self.consents
            else:
                is_there = bool(self.values.get(name, "").strip())
            if not is_there:
                self.fault(name, Code.REQUIRED)
        if names == REQUIRED and readiness.lacks_music_words(
            self.values.get("music", ""), self.values.get("music_words", "")
        ):
            self.fault("music_words", Code.MUSIC_UNNAMED)


def sent() -> About:
    """The form as the request brings it; NUL and the like, which no database holds, are dropped."""
    form: Mapping[str, str] = request.form
    names = (*TEXTS, "owned_since", "filmed_on")
    values = {name: _clean(form.get(name, "")) for name in names}
    values |= {name: _clean(form[name]) for name in (*DECLARED, "people") if name in form}
    if "altered-asked" in form:
        values["altered"] = "1" if "altered" in form else ""
    return About(
        values=values,
        themes=request.form.getlist("themes")[:20],
        consents={purpose for purpose in consent.PURPOSES if f"consents.{purpose}" in form},
        people=_people(form) if "people-asked" in form else None,
        seen={one: form[f"seen.{one}"][:64] for one in consent.PURPOSES if f"seen.{one}" in form},
    )


def _clean(words: str) -> str:
    return words.replace("\x00", "").strip()[:400]


def _people(form: Mapping[str, str]) -> list[PersonRow]:
    """The rows that are filled in, in their order; one with an address alone still counts, to be corrected."""
    numbers = sorted({int(found[1]) for name in form if (found := _ROW.fullmatch(name))})
    rows = [
        PersonRow(
            " ".join(_clean(form.get(f"people-{number}-name", "")).split()),
            _clean(form.get(f"people-{number}-email", "")),
            f"people-{number}-minor" in form,
        )
        for number in numbers
    ]
    return [row for row in rows if row.name or row.email][: submission.MOST_PEOPLE + 1]


def of_guest(guest: Invitation, lang: str) -> About:
    """The form filled with what an invitation knows."""
    since = str(guest.owned_since or "")
    known = {"email": guest.email or "", "first_name": guest.first_name, "product": guest.product}
    return About(values={**known, "owned_since": since, "speech_lang": lang})


def of_clip(session: Session, clip: Clip) -> About:
    """The form filled with what we know of a clip."""
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    values = {name: getattr(clip, name) for name in (*TEXTS, *DECLARED) if name != "email"}
    values["altered"] = "1" if clip.altered else ""
    values["email"] = (owner.email or "") if owner else ""
    values["owned_since"] = str(clip.owned_since or "")
    values["filmed_on"] = f"{clip.filmed_on:%Y-%m}" if clip.filmed_on else ""
    rows = [
        PersonRow(one.name, one.email or "", one.is_minor, one.state) for one in signatures.of(session, clip)
    ]
    consents = set(consent.standing(session, clip))
    # Whoever agreed to the film and named nobody has said that there is nobody.
    values["people"] = "some" if rows else "none" if "adult" in consents else ""
    return About(values, themes.slugs_of(session, clip), consents, people=rows)
