"""Reads what an owner filled in on a page: texts, consents, and the faults next to each field; keeps the values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from portal import consent, reasons, submission, themes
from portal.errors import Code, PortalError
from portal.models import Clip, Person

TEXTS = ("title", "first_name", "city", "product", "speech_lang", "email")
REQUIRED = ("title", "first_name", "speech_lang", "email", "consents.site", "consents.adult")


@dataclass(slots=True)
class About:
    """One form's values as the page shows them, and the sentence for each faulty field."""

    values: dict[str, str] = field(default_factory=dict)
    themes: list[str] = field(default_factory=list)
    consents: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)

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

    @property
    def taken_back(self) -> set[str]:
        """The purposes whose boxes are empty."""
        return set(consent.PURPOSES) - self.consents

    def texts(self) -> submission.Texts:
        """What the rule takes; notes dates that are none."""
        given = self.values
        cleared = frozenset(name for name in ("owned_since", "filmed_on") if not given.get(name))
        words: dict[str, Any] = {name: given.get(name, "") for name in TEXTS}
        return submission.Texts(
            **{**words, "email": words["email"] or None},
            themes=self.themes,
            owned_since=self._year(),
            filmed_on=self._month(),
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


def sent() -> About:
    """The form as the request brings it; NUL and the like, which no database holds, are dropped."""
    form: Mapping[str, str] = request.form
    names = (*TEXTS, "owned_since", "filmed_on")
    values = {name: form.get(name, "").replace("\x00", "").strip()[:400] for name in names}
    return About(
        values=values,
        themes=request.form.getlist("themes")[:20],
        consents={purpose for purpose in consent.PURPOSES if f"consents.{purpose}" in form},
    )


def of_clip(session: Session, clip: Clip) -> About:
    """The form filled with what we know of a clip."""
    owner = session.get(Person, clip.owner_id) if clip.owner_id is not None else None
    values = {name: getattr(clip, name) for name in TEXTS if name != "email"}
    values["email"] = (owner.email or "") if owner else ""
    values["owned_since"] = str(clip.owned_since or "")
    values["filmed_on"] = f"{clip.filmed_on:%Y-%m}" if clip.filmed_on else ""
    return About(values, themes.slugs_of(session, clip), set(consent.standing(session, clip)))
