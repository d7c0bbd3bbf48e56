"""What stands in the forms of a clip's sheet in the studio: when it is opened, and when one of them comes back.

Decides nothing; what may be written is in portal/corrections.py and portal/review.py.
"""

import re
from typing import Any

from flask import request

from portal import reasons
from portal.corrections import ABOUT
from portal.errors import Code, PortalError, Unacceptable
from portal.models import Clip
from portal.review import Sheet


def stands(clip: Clip, slugs: list[str]) -> dict[str, Any]:
    """What the forms hold when the sheet is opened; `slugs` are the clip's themes."""
    empty = {"checks": [], "words": "", "line": "", "at": "", "typo": False}
    return {
        "title": clip.title,
        "themes": slugs,
        **{name: getattr(clip, name) or "" for name in ABOUT},
        **empty,
    }


def kept(seen: Sheet) -> dict[str, Any]:
    """What was typed into one of the forms; the others hold what stands."""
    form, values = request.form, stands(seen.clip, [theme.slug for theme in seen.themes])
    if "title" in form:
        values |= {"themes": form.getlist("theme"), "checks": form.getlist("check"), "typo": "typo" in form}
    typed = ("title", "words", "line", "at", *ABOUT)
    return values | {name: form[name] for name in typed if name in form}


def about() -> dict[str, str | int | None]:
    """What the form says of the owner; raises Unacceptable for a year that is none."""
    said: dict[str, str | int | None] = {name: request.form[name] for name in ABOUT if name in request.form}
    if "owned_since" in said:
        year = request.form["owned_since"].strip()
        if year and not re.fullmatch("[0-9]{4}", year):
            raise Unacceptable(Code.WRONG_DATE, fields={"owned_since": Code.WRONG_DATE})
        said["owned_since"] = int(year) if year else None
    return said


def version() -> int:
    """The version of the clip that the form was made for; 0 for what is none."""
    given = request.form.get("version", "")
    # A number that no version can have is none: the database would choke on it.
    return int(given) if re.fullmatch(r"[0-9]{1,9}", given) else 0


def faults(error: PortalError) -> dict[str, str]:
    """The sentence for each field that a rule refused; for "" where it named none."""
    found = {field: reasons.sentence(code, **error.facts) for field, code in error.fields.items()}
    return found or {"": reasons.sentence(error.code, **error.facts)}
