"""The documentation says what the code does."""

import re
from pathlib import Path

import pytest

from config import SETTINGS
from ops.docs import PAGES

ROOT = Path(__file__).resolve().parent.parent


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
            assert (path.parent / target).exists(), f"{path.name} → {target}"


def test_the_readme_names_every_make_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE):
        assert f"make {command}" in readme, command
