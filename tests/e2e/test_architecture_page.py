"""The backend that docs/architecture.md shows works as it stands there."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.fixture
def site(cli: Cli, tmp_path: Path) -> Cli:
    """The command as on a site that has installed the example."""
    folder = tmp_path / "site"
    installed = folder / "nice_backend-1.0.dist-info"
    installed.mkdir(parents=True)
    (folder / "nice_backend.py").write_text(block("python"))
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: nice-backend\nVersion: 1.0\n")
    entry = block("toml").replace('[project.entry-points."', "[").replace('"]', "]")
    (installed / "entry_points.txt").write_text(entry.replace('"', ""))
    cli.env["PYTHONPATH"] = str(folder)
    return cli


def test_its_ranks_are_nice(site: Cli, program: Callable[..., Path]) -> None:
    script = program("import os\nprint('niceness', os.nice(0))\n")
    options = ("--backend", "nice", "--launcher", "direct", "--nproc-per-node", "2")
    site.ok("run", *options, "--backend-option", "niceness=15", script)
    # it adds to what this process has
    assert site.log(1).strip() == b"niceness %d" % min(os.nice(0) + 15, 19)
    assert_nothing_left(site.run_dir().name)


def test_its_runs_can_be_stopped(site: Cli, program: Callable[..., Path]) -> None:
    script = program("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    site.ok("run", "-d", "--backend", "nice", "--launcher", "direct", script)
    site.until_rank(0, "output")
    site.ok("stop", "last")
    assert site.until_state("stopped", "failed", "lost")["state"] == "stopped"
    assert_nothing_left(site.run_dir().name)


def test_an_agent_that_was_started_is_found_again(site: Cli, program: Callable[..., Path]) -> None:
    script = program("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    site.ok("run", "-d", "--backend", "nice", "--launcher", "direct", script)
    site.until_rank(0, "output")
    pid = site.state()["supervisor"]["pid"]
    os.kill(pid, signal.SIGKILL)
    site.until_unsupervised()
    site.ok("stop", "last")
    state = site.until_state("stopped", "failed", "lost")
    assert (state["state"], state["attempt"]) == ("stopped", 0)
    assert state["supervisor"]["pid"] != pid
