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
        found = (ROOT / room).rglob("*.py")
        yield from (path for path in found if not {"versions", "node_modules"} & set(path.parts))


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


# Who alone may import what; every other module of these rooms may not.
DOORS = {
    ("flask", "flask_login", "flask_wtf", "flask_limiter", "werkzeug", "wtforms", "msgspec"): (
        "portal/web/",
    ),
    ("boto3", "botocore"): ("portal/storage.py",),
    ("celery", "kombu", "billiard"): ("portal/runtime.py", "media_jobs/"),
    ("smtplib",): ("portal/mailer.py",),
    ("imapclient",): ("portal/mailbox.py",),
    ("aiosmtpd",): ("portal/postman.py", "portal/web/"),
}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """The top names of the packages that a file imports, wherever in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno


@pytest.mark.parametrize("packages", DOORS, ids=lambda packages: packages[0])
def test_a_foreign_world_is_met_at_its_own_door_only(packages):
    for path in sources("portal", "media_jobs"):
        if path.relative_to(ROOT).as_posix().startswith(DOORS[packages]):
            continue
        for name, line in imported(path):
            assert name not in packages, f"{path}:{line} imports {name}"


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement assigns to, tuples taken apart."""
    given = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        given = [node.target]
    for target in given:
        yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]


def updates_clips(call: ast.Call) -> bool:
    """Whether this is `update(Clip)…values(state=…)`, however it is chained."""
    is_values = isinstance(call.func, ast.Attribute) and call.func.attr == "values"
    if not is_values or "state" not in {word.arg for word in call.keywords}:
        return False
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "update"
        and any(isinstance(given, ast.Name) and given.id == "Clip" for given in node.args)
        for node in ast.walk(call.func)
    )


def test_only_the_lifecycle_writes_a_clips_state_and_the_audit_trail():
    for path in sources("portal", "media_jobs"):
        if path.name == "lifecycle.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in targets(node):
                is_state = isinstance(target, ast.Attribute) and target.attr == "state"
                of_clip = is_state and ast.unparse(target.value).endswith("clip")
                assert not of_clip, f"{path}:{node.lineno} assigns a clip's state"
            if isinstance(node, ast.Call):
                assert not updates_clips(node), f"{path}:{node.lineno} updates a clip's state"
                builds = isinstance(node.func, ast.Name) and node.func.id == "AuditEvent"
                assert not builds, f"{path}:{node.lineno} builds an AuditEvent"


def test_no_module_is_a_drawer():
    assert not [path for path in sources(*ROOMS) if path.stem in FORBIDDEN_NAMES]


def test_a_file_is_short_enough_to_read_at_once():
    paths = sources(*ROOMS, "tests", "bench")
    assert not [str(path) for path in paths if path.read_text(encoding="utf-8").count("\n") > 500]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """How many lines a function has, from its `def` on: without its docstring, empty lines and comments."""
    rows = set(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    if ast.get_docstring(function) is not None:
        rows -= set(range(function.body[0].lineno, (function.body[0].end_lineno or 0) + 1))
    said = (lines[row - 1].strip() for row in rows)
    return sum(1 for line in said if line and not line.startswith("#"))


def test_a_function_is_short_enough_to_read_at_once():
    long = {}
    for path in [ROOT / "config.py", ROOT / "wsgi.py", *sources(*ROOMS)]:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = code_lines(node, text.split("\n"))
                if length > 40:
                    long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    assert long == {}


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
