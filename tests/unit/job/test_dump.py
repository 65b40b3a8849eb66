from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from rankdeck.job.draft import JobDraft
from rankdeck.job.dump import job_to_yaml
from rankdeck.job.load import parse_job_yaml
from rankdeck.job.resolve import resolve_job
from rankdeck.job.spec import JobSpec, PassAs

HOSTILE = (
    "$(touch /tmp/x)", "it's \"quoted\"", "two\nlines\r\n", " spaces ", "中文 \U0001f600", "",
    "null", "~", "yes", "1:30", "010", "1e-4", "2026-01-01", "- a", "a: b", "# c", "&x", "*x",
    "{a}", "%", "@", "`", "\\n", "\t", "\x1b[31m", "\x7f\x85\u2028\ufeff\uffff", "=", "<<", "!!str",
)  # fmt: skip


def full(folder: Path) -> JobSpec:
    (folder / "train.py").write_text("")
    (folder / "data").mkdir()
    return JobSpec(
        name="llama",
        entry=str(folder / "train.py"),
        project=str(folder),
        args=("--a", *HOSTILE),
        python=os.path.abspath("/bin/sh"),
        nnodes=1,
        nproc_per_node="auto",
        master_addr="127.0.0.1",
        master_port=29600,
        hyperparameters={f"h{i}": text for i, text in enumerate(HOSTILE)},
        pass_as=PassAs.BOTH,
        env={f"e{i}": text for i, text in enumerate(HOSTILE)},
        dataset_dir=str(folder / "data"),
        output_dir=str(folder / "out put"),
        time_limit=90.5,
        max_restarts=2,
        grace=0.0,
        hooks=False,
    )


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    spec = full(tmp_path)
    path = tmp_path / "stored.yaml"
    path.write_text(job_to_yaml(spec))
    assert resolve_job(str(path), JobDraft(), Path("/"), {}) == spec


@pytest.mark.parametrize("text", HOSTILE)
def test_any_yaml_reader_sees_the_same_text(text: str) -> None:
    spec = JobSpec(name="a", entry="e", project="/p", env={"A": text})
    assert yaml.safe_load(job_to_yaml(spec))["env"]["A"] == text
    read = parse_job_yaml(job_to_yaml(spec), "/j.yaml")
    assert not read.problems
    assert read.draft.env == {"A": text}


def test_the_text_is_short_and_always_the_same() -> None:
    spec = JobSpec(name="a", entry="train.py", project="/p")
    assert job_to_yaml(spec) == (
        "name: a\nproject: /p\nentry: train.py\nlauncher: torchrun\npass_as: env\n"
        "backend: local\nnproc_per_node: 1\nmax_restarts: 0\ngrace: 10.0\nhooks: true\n"
    )
