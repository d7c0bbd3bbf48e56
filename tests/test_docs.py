"""The documentation says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.docs import PAGES
from portal import cli
from settings_table import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
# Named as such where they stand: constants of the code, a count of the tests, a variable of the C library.
NO_SETTINGS = {"BITS_A_POINT", "HLS_FROM_SECONDS", "HOSTILE_MUTANTS", "MALLOC_ARENA_MAX"}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_made_page_is_up_to_date(name):
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_setting_that_is_read_is_documented():
    text = (ROOT / "config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'self\.(?:text|number|url|raw|choice|_bucket)\("([A-Z0-9_]+)"', text))
    assert read <= {setting.name for setting in SETTINGS}


def test_every_documented_setting_is_read():
    text = (ROOT / "config.py").read_text(encoding="utf-8").split("class _Reader", 1)[1]
    for setting in SETTINGS:
        assert f'"{setting.name}"' in text, setting.name


def test_links_between_the_documents_lead_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", path.read_text(encoding="utf-8")):
            led = path.parent / target
            assert led.exists(), f"{path.name} → {target}"
            if led.suffix == ".md":
                assert led.read_text(encoding="utf-8").startswith("# "), (
                    f"{path.name} → {target} says nothing"
                )


def test_a_migration_that_takes_something_away_is_named_where_operators_read():
    for path in (ROOT / "portal" / "migrations" / "versions").glob("0*.py"):
        upgrade = path.read_text(encoding="utf-8").split("def downgrade")[0]
        if re.search(r"\bdrop_(column|table)|rename_table|new_column_name", upgrade):
            for page in ("docs/deploy.md", "CHANGELOG.md"):
                assert path.name[:4] in (ROOT / page).read_text(encoding="utf-8"), f"{page}: {path.name}"


def test_the_readme_names_every_make_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE):
        assert f"make {command}" in readme, command


def written() -> Iterator[tuple[Path, str]]:
    """What operators and newcomers read."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        yield path, path.read_text(encoding="utf-8")


def test_every_verb_that_the_documents_name_is_one():
    for path, text in written():
        for said in re.findall(r"python -m portal((?: [a-z-]+)+)", text):
            with pytest.raises(SystemExit) as left:
                cli.main([*said.split(), "--help"])
            assert left.value.code == 0, f"{path.name}: python -m portal{said}"


def test_every_setting_that_the_documents_name_is_one():
    settings = {setting.name for setting in SETTINGS} | {f"{setting.name}_FILE" for setting in SETTINGS}
    for path, text in written():
        said = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`", text))
        assert said <= settings | NO_SETTINGS, path.name


def test_a_second_film_worker_on_a_host_is_told_to_take_a_name_of_its_own():
    deploy = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    first = re.search(r"worker -n (\w+)@\S+ .*-Q heavy,slow", (ROOT / "Procfile").read_text(encoding="utf-8"))
    second = re.search(r"worker -n (\w+)@%h .*-Q heavy,slow", deploy)
    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    assert f"the first is `{first[1]}@%h`" in deploy
