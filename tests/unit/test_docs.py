"""The pages in docs/ say what the code says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from backends.slurm import words
from backends.ssh.link import LinkFault
from docs import tables
from rankdeck.backend import shipped_backends
from rankdeck.run import policy

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text()
    assert tables.render(text) == text, "run `python -m docs.tables`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    missing = [
        link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()
    ]
    assert not missing


def test_every_backend_has_its_options_on_the_page() -> None:
    text = (ROOT / "docs" / "backends.md").read_text()
    described = set(re.findall(r"<!-- options (\w+) -->", text))
    # one without options has no table
    assert described == {name for name in shipped_backends() if tables.backend_options(name)}


def _categories() -> set[str]:
    """The first column of the table of what can go wrong."""
    section = (ROOT / "docs" / "backends.md").read_text().partition("## What went wrong")[2]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_categories_on_the_page_are_those_of_the_code() -> None:
    literals = {
        node.value
        for package in ("rankdeck", "backends")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert _categories() <= literals


# every end that a job of Slurm can come to
_ENDS = (
    *("TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "DEADLINE", "COMPLETED"),
    *("REVOKED", "CANCELLED", "FAILED", "LAUNCH_FAILED"),
)
# functions whose first argument is a category, and records that have one by name
_TELLERS = {"ProblemError", "StageError", "NodeError", "_not_placed", "_refuse_open"}
_RECORDS = {"NotPlaced", "Ended", "Cause"}
# not a failure: Slurm starts the job again
_NO_TROUBLE = {"requeued"}
# torchrun or train.sh itself failed: what ranks do is not on this page
_OF_RANKS = {"launcher"}


def test_no_category_is_missing_on_the_page() -> None:
    raised = {
        *(fault.value for fault in LinkFault),
        *policy.HOPELESS,
        *(words.ended_report("1", state, requeues=False).category for state in _ENDS),
        *_categories_told(),
    }
    assert raised - _categories() == _NO_TROUBLE | _OF_RANKS


def _categories_told() -> set[str]:
    """The categories that stand where the agent or a backend tells of a problem."""
    found = set()
    for path in [*(ROOT / "rankdeck" / "agent").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = node.args[:1] if name in _TELLERS else []
            if name in _RECORDS:
                values = [word.value for word in node.keywords if word.arg == "category"]
            found |= {
                value.value
                for value in values
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            }
    return found
