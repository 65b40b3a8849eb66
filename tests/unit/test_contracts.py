"""House rules that a reader relies on: every module says what it is, and fits into one reading."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rankdeck", "backends", "tui", "examples", "benchmarks")
MAX_LINES = 400
LONGER: dict[str, str] = {}
"""File to the reason why it may be longer."""
MAX_FUNCTION_LINES = 60
LONGER_FUNCTIONS: dict[str, str] = {}
"""`file:function` to the reason why it may be longer."""

OPTIONAL = {"psutil", "sitecustomize"}
"""What the agent uses where the ranks' interpreter happens to have it."""

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_module_says_what_it_is_and_is_short(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    if text.strip():
        assert ast.get_docstring(tree), "has no module docstring"
    lines = len(text.splitlines())
    if name_of(path) not in LONGER:
        assert lines <= MAX_LINES, f"{lines} lines; split it, or give the reason in LONGER"


def test_functions_fit_on_a_screen() -> None:
    long = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                where = f"{name_of(path)}:{node.name}"
                if lines > MAX_FUNCTION_LINES and where not in LONGER_FUNCTIONS:
                    long[where] = lines
    assert not long


def test_exceptions_to_the_rules_are_still_needed() -> None:
    for name in LONGER:
        assert len((ROOT / name).read_text().splitlines()) > MAX_LINES, name


def test_agent_is_python_3_8_and_needs_only_the_standard_library() -> None:
    for path in sorted((ROOT / "rankdeck" / "agent").rglob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                known = name.startswith("rankdeck.agent") or top in sys.stdlib_module_names
                assert known or top in OPTIONAL, f"{name_of(path)}:{node.lineno} imports {name}"
