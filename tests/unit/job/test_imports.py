"""Starting a run must be quick: what it imports is kept small."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("yaml", "torch", "textual", "rich", "paramiko", "importlib.metadata", "difflib", "json")
CODE = """
import sys
from pathlib import Path
import msgspec
before = set(sys.modules)
from rankdeck.job.draft import JobDraft
from rankdeck.job.dump import job_to_yaml
from rankdeck.job.resolve import resolve_job
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.render import command_scripts
spec = resolve_job(None, JobDraft(), Path.cwd(), {})
command_scripts(build_plan(spec, (Node(name="n"),)))
job_to_yaml(spec)
print(" ".join(sorted(set(sys.modules) - before)))
"""


def imported(project: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=project, env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_resolving_and_planning_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text("true\n")
    (tmp_path / "HyperParameters.json").write_text('{"HyperParameters": [{"name": "lr"}]}')
    modules = imported(tmp_path)
    assert "rankdeck.job.resolve" in modules
    assert modules.isdisjoint(HEAVY)


def test_yaml_is_loaded_for_a_job_file_only(tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text("true\n")
    (tmp_path / "job.yaml").write_text("name: a\n")
    assert "yaml" in imported(tmp_path)
