"""Every file of a real run directory is explained in docs/run-directory.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "run-directory.md"


def documented() -> re.Pattern[str]:
    """All names in the first column of the table of files, placeholders and `*` as wildcards."""
    section = PAGE.read_text().partition("## Files")[2].partition("## state.json")[0]
    patterns = []
    for row in section.splitlines():
        if not row.startswith("| `"):
            continue
        folder = ""
        for name in re.findall(r"`([^`]+)`", row.split("|")[1]):
            # further names in a row are in the folder of the first
            name = name if "/" in name.rstrip("/") else folder + name
            folder = name[: name.rfind("/", 0, -1) + 1]
            pattern = re.sub(r"<\w+>|\\\*", "[^/]+", re.escape(name))
            patterns.append(pattern + (".*" if name.endswith("/") else ""))
    return re.compile("|".join(patterns))


def unexplained(run: Path) -> list[str]:
    known = documented()
    names = (path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    return [name for name in names if not known.fullmatch(name)]


def test_run_that_fails(cli: Cli, program: Callable[..., Path]) -> None:
    script = program("print('step 1/2 loss 3.0', flush=True)\nraise ValueError('boom')\n")
    assert cli("run", "--launcher", "direct", script).returncode == 1
    assert (cli.run_dir() / "events.jsonl").exists()
    # files that are just being replaced have other names
    cli.until_unsupervised()
    assert unexplained(cli.run_dir()) == []


@pytest.mark.torch
def test_run_under_torchrun(cli: Cli, program: Callable[..., Path]) -> None:
    script = program("print('step 1/2 loss 3.0', flush=True)\n")
    cli.ok("run", "--nproc-per-node", "2", script)
    cli.until_unsupervised()
    assert unexplained(cli.run_dir()) == []
