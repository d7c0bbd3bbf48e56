"""`make docs`: pages made from what they speak of, so that they cannot lie: settings, lifecycle, list of decisions."""

from pathlib import Path

from config import ROOT
from portal.lifecycle import ON_ENTER, TRANSITIONS
from portal.models import State
from settings_table import SETTINGS

MEANING = {
    State.DRAFT: "texts saved, no bytes yet",
    State.UPLOADING: "parts are arriving",
    State.PROCESSING: "the original is complete; jobs work on it, or texts and consents are still missing",
    State.IN_REVIEW: "renditions ready and texts and consents complete; waits for a moderator",
    State.CHANGES_REQUESTED: "the owner was asked for something, with reasons and places in the film",
    State.APPROVED: "accepted; being copied to the public bucket, or waiting for its hour",
    State.PUBLISHED: "reachable by everybody; the only state that is",
    State.REJECTED: "refused, with a statement of reasons",
    State.WITHDRAWN: "taken back by the owner",
    State.REMOVED: "unpublished by us, with a statement of reasons",
    State.EXPIRED: "its consent ran out",
    State.FAILED: "the film could not be used; a reason code says whose fault",
    State.ERASED: "bytes and personal data are gone; the bare row and its history stay",
}


def settings_page() -> str:
    """docs/settings.md: every setting, from `settings_table.SETTINGS`."""
    rows = [
        "# Settings",
        "",
        "Made from `settings_table.py` by `make docs`. Each is an environment variable; `<NAME>_FILE` names a file that",
        "holds the value instead. A wrong setting stops the start, with every mistake listed at once.",
        "",
        "| setting | meaning | default | example |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| `{setting.name}` | {setting.help} | {setting.default} | `{setting.example}` |"
        for setting in SETTINGS
    ]
    return "\n".join(rows) + "\n"


def lifecycle_page() -> str:
    """docs/lifecycle.md: states, verbs and diagram, from `portal.lifecycle.TRANSITIONS`."""
    rows = ["# A clip's life", "", "Made from `portal/lifecycle.py` by `make docs`.", "", "```mermaid"]
    rows += ["stateDiagram-v2", "    [*] --> draft: begin"]
    for verb, transition in TRANSITIONS.items():
        if verb == "withdraw":
            continue
        rows += [f"    {source} --> {transition.target}: {verb}" for source in sorted(transition.sources)]
    rows += ["```", "", "`withdraw` leads from every state but `withdrawn` and `erased` to `withdrawn`.", ""]
    rows += ["| state | meaning | the worker's job on entering |", "|---|---|---|"]
    for state in State:
        job = ", ".join(f"`{kind}`" for kind in ON_ENTER.get(state, ()))
        rows.append(f"| `{state}` | {MEANING[state]} | {job} |")
    rows += ["", "| verb | from | to |", "|---|---|---|"]
    for verb, transition in TRANSITIONS.items():
        sources = ", ".join(f"`{source}`" for source in sorted(transition.sources))
        rows.append(f"| `{verb}` | {sources} | `{transition.target}` |")
    return "\n".join(rows) + "\n"


def decisions_page() -> str:
    """docs/decisions/README.md: every decision by its title."""
    rows = ["# Decisions", "", "What was chosen, and why. Made from the files beside it by `make docs`.", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        number, _, title = (
            path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(". ")
        )
        rows.append(f"{number}. [{title}]({path.name})")
    return "\n".join(rows) + "\n"


PAGES = {
    "docs/settings.md": settings_page,
    "docs/lifecycle.md": lifecycle_page,
    "docs/decisions/README.md": decisions_page,
}


def main() -> None:
    """Write every made page."""
    for name, make in PAGES.items():
        path: Path = ROOT / name
        path.write_text(make(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
