"""The house rules that no linter knows."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("portal", "media_jobs", "ops")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "methods", "manager", "base", "core", "services"}


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from (path for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts)


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize(
    ("name", "beside"), [("config.py", {"settings_table"}), ("settings_table.py", set())]
)
def test_settings_import_only_the_standard_library(name, beside):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert {one.split(".")[0] for one in names} <= sys.stdlib_module_names | beside


def test_only_the_database_module_commits_or_rolls_back():
    for path in sources("portal", "media_jobs"):
        if path.relative_to(ROOT).as_posix() in ("portal/database.py", "portal/migrations/env.py"):
            continue
        for call in calls(path):
            if isinstance(call.func, ast.Attribute):
                assert call.func.attr not in ("commit", "rollback"), f"{path}:{call.lineno}"


def test_only_the_lifecycle_writes_a_clips_state_and_the_audit_trail():
    for path in sources("portal", "media_jobs"):
        if path.name == "lifecycle.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    is_state = isinstance(target, ast.Attribute) and target.attr == "state"
                    of_clip = is_state and isinstance(target.value, ast.Name) and target.value.id == "clip"
                    assert not of_clip, f"{path}:{node.lineno} assigns clip.state"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "AuditEvent", f"{path}:{node.lineno} builds an AuditEvent"


def test_no_module_is_a_drawer():
    assert not [path for path in sources(*ROOMS) if path.stem in FORBIDDEN_NAMES]


@pytest.mark.parametrize("path", sorted(sources(*ROOMS)), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_is_short_enough_to_read_at_once(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 500


def test_every_module_says_what_it_owns():
    for path in [ROOT / "config.py", ROOT / "wsgi.py", *sources(*ROOMS)]:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_templates_hold_no_inline_script_or_style():
    for path in (ROOT / "templates").rglob("*.html"):
        if "email" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick=" not in text, path
