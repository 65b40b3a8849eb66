"""The agent's source: old syntax, nothing but the standard library, small enough to read."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import rankdeck.agent

_FOLDER = Path(rankdeck.agent.__file__).parent
_FILES = sorted(_FOLDER.rglob("*.py"))
# guarded by an `except ImportError`
_OPTIONAL = {"psutil", "sitecustomize"}


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.relative_to(_FOLDER).as_posix())
def test_the_syntax_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(), str(path), feature_version=(3, 8))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.relative_to(_FOLDER).as_posix())
def test_only_the_standard_library_is_imported(path: Path) -> None:
    for module in _imported(ast.parse(path.read_text())):
        top = module.partition(".")[0]
        assert (
            top in sys.stdlib_module_names
            or module.startswith("rankdeck.agent")
            or top in _OPTIONAL
        ), module


def _imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports do not say where they lead"
            found.add(node.module or "")
    return found


def test_annotations_are_never_evaluated() -> None:
    """`int | None` is fine for old interpreters as long as nobody looks at it."""
    for path in _FILES:
        if path.name == "sitecustomize.py":
            continue  # for interpreters that do not know this import
        tree = ast.parse(path.read_text())
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        if len(tree.body) > 1:
            assert any(node.module == "__future__" for node in imports), path
