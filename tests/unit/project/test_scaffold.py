from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.render import command_scripts
from rankdeck.project.scaffold import scaffold, template_names, template_title


def test_templates_have_names_and_titles() -> None:
    assert template_names()[0] == "ddp"
    assert all(template_title(name) for name in template_names())


@pytest.mark.parametrize("template", template_names())
def test_a_scaffold_is_a_valid_job_without_warnings(tmp_path: Path, template: str) -> None:
    made = scaffold(tmp_path / "new", template)
    assert {str(path) for path in made} >= {"HyperParameters.json", "job.yaml", "train.py"}
    resolution = resolve(str(tmp_path / "new"), JobDraft(), tmp_path, os.environ)
    assert not resolution.warnings
    assert resolution.spec.launcher == {"ddp": "torchrun"}.get(template, template)
    assert resolution.spec.hyperparameters


def test_the_direct_scaffold_trains_without_torch(tmp_path: Path) -> None:
    import socket

    scaffold(tmp_path / "new", "direct")
    draft = JobDraft(output_dir="out", hyperparameters={"steps": "40"})
    spec = resolve(str(tmp_path / "new"), draft, tmp_path, os.environ).spec
    plan = build_plan(spec, (Node(name="here"),))
    script = tmp_path / "node.sh"
    script.write_text(command_scripts(plan)["node-0.sh"])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = subprocess.run(
        ["bash", str(script)],
        env={"PATH": os.environ["PATH"], "MASTER_PORT": str(port)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 40/40") == 2
    assert (tmp_path / "out" / "checkpoint" / "model.json").exists()


def test_templates_parse_under_old_python() -> None:
    import ast

    folder = Path(sys.modules["rankdeck.project.scaffold"].__file__ or "").parent / "templates"
    files = sorted(folder.glob("*/*.py"))
    assert len(files) >= 2
    for file in files:
        ast.parse(file.read_text(), feature_version=(3, 8))


def test_shell_templates_are_executable_and_their_own(tmp_path: Path) -> None:
    scaffold(tmp_path / "new", "script")
    assert os.access(tmp_path / "new" / "train.sh", os.X_OK)
    assert not os.access(tmp_path / "new" / "job.yaml", os.X_OK)
    assert (
        subprocess.run(["bash", "-n", tmp_path / "new" / "train.sh"], check=False).returncode == 0
    )


def test_an_existing_directory_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert scaffold(tmp_path / "empty", "direct")
    with pytest.raises(UserError, match="is not empty"):
        scaffold(tmp_path / "empty", "direct")


def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a directory"):
        scaffold(tmp_path / "file", "direct")
    with pytest.raises(UserError, match="cannot be written"):
        scaffold(tmp_path / "file" / "below", "direct")
    with pytest.raises(UserError, match="no project template 'dpd'"):
        scaffold(tmp_path / "new", "dpd")
