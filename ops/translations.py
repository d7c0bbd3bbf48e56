"""`make translations`: brings the catalogues up to date with the sentences in code and templates.

French is the source: its catalogue repeats every sentence, so that French plurals (0 and 1 alike) are used.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from config import ROOT

FOLDER = ROOT / "portal" / "translations"
METHODS = [("portal/**.py", "python"), ("media_jobs/signals/**.py", "python"), ("templates/**", "jinja2")]
OPTIONS = {"templates/**": {"trim_blocks": "true", "lstrip_blocks": "true", "encoding": "utf-8"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def extracted() -> Catalog:
    """Every sentence that stands in code or templates now."""
    found = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(
        str(ROOT),
        METHODS,
        OPTIONS,
        keywords=KEYWORDS,
        directory_filter=_is_ours,
    ):
        found.add(message)
    return found


def _is_ours(folder: str) -> bool:
    name = Path(folder).name
    return not name.startswith(".") and name not in ("node_modules", "static", "var", "tests", "docs", "ops")


def catalogue(code: str) -> Catalog:
    """A language's catalogue as it stands in the tree; empty when there is none yet."""
    path = FOLDER / code / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def update(code: str) -> list[str]:
    """Bring one catalogue up to date; the sentences that are still without words."""
    now, kept = extracted(), catalogue(code)
    fresh = Catalog(locale=code, project="vecu", copyright_holder="Vécu", fuzzy=False)
    missing: list[str] = []
    for message in sorted(now, key=lambda message: str(message.id)):
        if not message.id:
            continue
        known = kept.get(message.id if isinstance(message.id, str) else message.id[0])
        words = known.string if known is not None and known.string else None
        if code == "fr":
            words = message.id
        if not words or not all(words if isinstance(words, list | tuple) else [words]):
            missing.append(str(message.id))
            words = ("", "") if isinstance(message.id, list | tuple) else ""
        fresh.add(message.id, words)
    path = FOLDER / code / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fresh, omit_header=True, width=110)
    return missing


def main() -> None:
    """Update every catalogue and name what is missing."""
    for code in sorted(path.name for path in FOLDER.iterdir() if path.is_dir()):
        missing = update(code)
        print(f"{code}: {len(missing)} without words")
        for sentence in missing:
            print(f"  {sentence}")


if __name__ == "__main__":
    main()
