"""What the form knows, without its widgets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.probe.preflight import Finding, Level
from rankdeck.run.layout import RunDir
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_project, write_run
from tui import looks
from tui.form.history import History
from tui.form.kept import KeptForm, KeptForms, harmless
from tui.form.last_run import LastRun, LastRuns, differences
from tui.form.paths import path_choices
from tui.form.plan_rows import plan_rows, preview_rows
from tui.form.starts import load_start, typed_starts
from tui.form.texts import draft_of, job_texts, looks_like_command, shown_value, typed_texts
from tui.looks import plain
from tui.preview import JobPreview, preview_job

if TYPE_CHECKING:
    from pathlib import Path


def test_letters_are_undone_together_and_other_changes_one_by_one() -> None:
    history = History()
    for text in ("a", "ab", "abc", "abc/", "abc/d", "abc/de", ""):
        history.note(text)
    undone = [history.undo() for _ in range(5)]
    assert undone == ["abc/de", "abc/", "abc", "", None]
    assert [history.redo() for _ in range(2)] == ["abc", "abc/"]
    history.note("new")
    assert history.redo() is None
    assert history.undo() == "abc/"


def test_a_job_goes_to_texts_and_back() -> None:
    draft = JobDraft(
        name="j",
        args=("--x", "a b"),
        host=("a", "b[1-2]"),
        hyperparameters={"lr": "1", "text": "a 'b'"},
        env={"A": "x y"},
        backend_options={"on": True, "n": 3},
        hooks=False,
        time_limit=90.0,
    )
    texts = typed_texts(draft)
    assert texts["args"] == "--x 'a b'"
    assert texts["host"] == "a,b[1-2]"
    assert texts["hyperparameters.text"] == "a 'b'"
    assert texts["backend_options.on"] == "on"
    assert texts["hooks"] == "off"
    assert typed_texts(draft_of(texts)) == texts


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("torchrun --nnodes 2 train.py", True),
        ("$ /opt/bin/torchrun train.py", True),
        ("CUDA_VISIBLE_DEVICES=0,1 srun -N 2 python t.py", True),
        ("python3 -m torch.distributed.run x.py", True),
        ("colossalai run \\\n  --hostfile h t.py", True),
        ("/home/me/project", False),
        ("python train.py", False),
        ("my torchrun project", False),
        ("", False),
    ],
)
def test_command_lines_are_known_by_how_they_begin(text: str, is_one: bool) -> None:
    assert looks_like_command(text) is is_one
    assert bool(typed_starts(text)) is is_one


def test_secrets_are_neither_kept_nor_shown() -> None:
    texts = {
        "name": "n",
        "args": "--api-key abc --x 1",
        "env": "A=1 HF_TOKEN=hf_x",
        "env.B": "2",
        "hyperparameters.lr": "3e-4",
        "hyperparameters.wandb_api_key": "zz",
        "setup": "",
    }
    safe = harmless(texts)
    assert safe == {
        "name": "n",
        "args": "--x 1",
        "env.A": "1",
        "env.B": "2",
        "hyperparameters.lr": "3e-4",
    }
    assert harmless({"env": "A='unfinished"}) == {}
    assert shown_value("env.HF_TOKEN", "hf_x") == "<hidden>"
    assert shown_value("env", "A=1 HF_TOKEN=hf_x") == "A=1 HF_TOKEN=<hidden>"
    assert shown_value("hyperparameters.lr", "3e-4") == "3e-4"


def test_kept_forms_are_private_replaced_forgotten_and_few(tmp_path: Path) -> None:
    forms = KeptForms(tmp_path)
    assert forms.all() == ()
    for number in range(25):
        forms.keep(KeptForm(slot=str(number), texts={"name": f"n{number}"}, saved=number))
    assert len(forms.all()) == 20
    newest = forms.all()[0]
    assert newest.texts == {"name": "n24"}
    path = tmp_path / "drafts" / "24.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    forms.keep(KeptForm(slot="24", texts={}, saved=99))
    assert not path.exists()
    (tmp_path / "drafts" / "x.json").write_text("{broken")
    assert len(forms.all()) == 19
    forms.forget("23")
    forms.forget("never")
    assert len(forms.all()) == 18


def test_paths_are_completed_as_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train.py", "trial", ".hidden", "other", "tr\x1b[2Jevil"):
        (tmp_path / name).mkdir() if name == "trial" else (tmp_path / name).write_text("")
    base = str(tmp_path)
    assert path_choices("tr", base) == ("trial/", "train.py")
    assert path_choices("tr", base, folders_only=True) == ("trial/",)
    assert path_choices(f"{base}/o", "/") == (f"{base}/other",)
    assert path_choices(".h", base) == (".hidden",)
    assert path_choices("nothing/x", base) == ()
    monkeypatch.setenv("HOME", base)
    assert path_choices("~/oth", "/") == ("~/other",)


def test_numbers_that_are_equal_are_no_difference() -> None:
    now = {"lr": "0.0003", "name": "a", "new": "1", "same": "x"}
    before = {"lr": "3e-4", "name": "b", "old": "2", "same": "x"}
    assert differences(now, before) == {"name": "b", "old": "2", "new": ""}


def test_the_newest_run_of_the_project_is_found_and_read_as_typed(tmp_path: Path) -> None:
    write_run(tmp_path, "older", age=100, ranks=2)
    newest = write_run(tmp_path, "newest", age=50, ranks=3)
    project = str(tmp_path / "project")
    runs = LastRuns(RunStore(tmp_path))
    found = runs.of(None, project)
    assert found is not None
    assert found.id == newest
    assert found.texts["nproc_per_node"] == "3"
    assert found.texts["grace"] == "10s"
    assert found.texts["hooks"] == "on"
    assert runs.of(None, str(tmp_path / "elsewhere")) is None
    older = next(run.id for run in RunStore(tmp_path).list() if run.name == "older")
    begun = runs.of(str(tmp_path / "runs" / older / "job.yaml"), project)
    assert begun is not None
    assert begun.name == "older"


def test_the_same_job_again_differs_in_nothing(tmp_path: Path) -> None:
    run_id = write_run(tmp_path, "one")
    target = str(RunDir(tmp_path / "runs" / run_id).job)
    runs = LastRuns(RunStore(tmp_path))
    preview = preview_job(target, JobDraft(), tmp_path, os.environ, runs)
    assert preview.problems == ()
    assert preview.changes == ()
    changed = preview_job(
        target, JobDraft(nproc_per_node="2", env={"HF_TOKEN": "hf_x"}), tmp_path, os.environ, runs
    )
    assert set(changed.changes) == {
        ("env.HF_TOKEN", "not set", "<hidden>"),
        ("nproc_per_node", "4", "2"),
    }


def test_what_is_wrong_with_the_nodes_is_told_although_the_entry_is_missing(
    tmp_path: Path,
) -> None:
    draft = JobDraft(project=str(tmp_path), backend="ssh", hostfile=str(tmp_path / "none"))
    preview = preview_job(None, draft, tmp_path, os.environ)
    assert {"entry", "hostfile"} <= {problem.field for problem in preview.problems}
    assert preview.effective is not None
    assert preview.effective["grace"] == "10s"


def test_nodes_after_the_first_show_only_what_differs_unless_all_is_wanted(
    tmp_path: Path,
) -> None:
    project = write_project(tmp_path)
    draft = JobDraft(project=str(project), launcher="direct", entry="train.py")
    spec = resolve_job(None, draft, tmp_path, os.environ)
    plan = build_plan(spec, tuple(Node(name=f"n{i}") for i in range(6)))
    rows = plan_rows(plan)
    text = [plain(row.line) for row in rows]
    assert "node 5: n5 (rank 5)" in text
    assert sum(line.startswith("  cwd") for line in text) == 1
    assert sum("NODE_RANK=" in line for line in text) == 6
    assert sum("the rest as node 0" in line for line in text) == 5
    assert {row.node for row in rows} == {-1, *range(6)}
    full = [plain(row.line) for row in plan_rows(plan, in_full=True)]
    assert sum(line.startswith("  cwd") for line in full) == 6
    # the command is the first thing said of a node
    assert text[text.index("node 0: n0 (rank 0)") + 1].startswith("  run")


@pytest.mark.parametrize("width", [7, 30, 60])
def test_plain_text_is_wrapped_as_any_other(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    texts = ("   python -m torch.distributed.run --nnodes 512 x.py", "x" * 70, "a b " * 20, "")
    lines = [(("  run", "accent"), (text, "")) for text in texts]
    told = [looks.wrap(line, width) for line in lines]
    monkeypatch.setattr(looks, "_narrow", lambda text: False)
    assert [looks.wrap(line, width) for line in lines] == told
    assert all(looks.line_width(part) <= width for parts in told for part in parts)


def test_problems_come_first_and_know_their_field(tmp_path: Path) -> None:
    draft = JobDraft(project=str(tmp_path), entry="no.py", time_limit="soon")
    preview = preview_job(None, draft, tmp_path, os.environ)
    bad = Finding(level=Level.ERROR, field="master_port", text="port 1 is taken", hint="another")
    good = Finding(level=Level.OK, field="python", text="fine")
    rows = [row for row in preview_rows(preview, (good, bad)) if row.line]
    assert plain(rows[0].line) == "Not ready yet:"
    assert {row.field for row in rows[1:]} >= {"time_limit", "entry"}
    told = [plain(row.line).strip() for row in rows]
    assert told.index("✖ Master port: port 1 is taken") < told.index("✔ Python: fine")


def test_earlier_runs_and_files_begin_a_form_with_what_their_author_said(tmp_path: Path) -> None:
    run_id = write_run(tmp_path, "one", ranks=3)
    start = load_start(RunStore(tmp_path), f"run:{run_id}", "", tmp_path)
    assert start.texts["nproc_per_node"] == "3"
    assert start.texts["entry"] == "train.py"
    assert "grace" not in start.texts
    file = tmp_path / "jobs" / "job.yaml"
    file.parent.mkdir()
    file.write_text("entry: a.py\nhyperparameters: {lr: 1e-3}\n")
    start = load_start(RunStore(tmp_path), "file:jobs/job.yaml", "", tmp_path)
    assert start.texts == {
        "entry": "a.py",
        "hyperparameters.lr": "1e-3",
        "project": str(file.parent),
    }


def test_a_sample_is_made_where_nothing_is_in_its_way(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "state")
    (tmp_path / "mine.txt").write_text("mine")
    for name in ("rankdeck-direct", "rankdeck-direct-2"):
        start = load_start(store, "sample:direct", "", tmp_path)
        assert start.texts == {"project": str(tmp_path / name)}
        assert os.listdir(tmp_path / name)


def test_effective_texts_are_those_of_the_run_they_made(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    draft = JobDraft(project=str(project), entry="train.py", launcher="direct", time_limit="90")
    texts = job_texts(resolve_job(None, draft, tmp_path, os.environ))
    assert (texts["time_limit"], texts["grace"], texts["hooks"]) == ("1m30s", "10s", "on")


def test_a_run_without_a_readable_job_is_no_last_run(tmp_path: Path) -> None:
    run_id = write_run(tmp_path, "one")
    RunDir(tmp_path / "runs" / run_id).job.write_text("{")
    assert LastRuns(RunStore(tmp_path)).of(None, str(tmp_path / "project")) is None
    assert JobPreview(before={"a": "1"}, last=LastRun("i", "n", "", 0.0, {})).changes == (
        ("a", "1", "not set"),
    )
