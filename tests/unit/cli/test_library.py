from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from rankdeck.cli.main import cli
from rankdeck.cli.run import Beginning
from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.dump import job_to_yaml
from rankdeck.job.resolve import resolve_job
from rankdeck.library.templates import TemplateStore, template_store
from rankdeck.library.workspaces import workspace_store
from rankdeck.run.layout import RunDir
from rankdeck.run.store import RunStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a program; config and state folders of their own."""
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("RANKDECK_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("VISUAL", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("print('ok')\n")
    monkeypatch.chdir(folder)
    return folder


def said(*words: str) -> str:
    """What a command prints."""
    result = _run(*words)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def _run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


def test_a_job_file_is_saved_listed_shown_copied_and_removed(project: Path) -> None:
    (project / "job.yaml").write_text("entry: train.py\nlauncher: direct\nnproc_per_node: 2\n")
    assert "run --template big" in said(
        "template", "save", "big", "job.yaml", "--description", "b i g"
    )
    assert said("template", "show", "big").startswith(f"# b i g\nproject: {project}\n")
    said("template", "cp", "big", "huge")
    assert "b i g" in said("template", "ls", "hg")
    (document,) = json.loads(said("template", "ls", "name:big", "--json"))["templates"]
    assert document["job"]["nproc_per_node"] == "2"
    assert json.loads(said("template", "show", "big", "--json"))["problems"] == []
    said("template", "rm", "big", "huge")
    assert "no templates yet" in said("template", "ls")
    with pytest.raises(UserError, match="no template named 'big'"):
        said("template", "show", "big")


def test_a_project_and_a_run_can_be_saved(project: Path, tmp_path: Path) -> None:
    said("template", "save", "plain", str(project))
    assert template_store().get("plain").draft.project == str(project)
    store = RunStore(tmp_path / "state")
    store.ensure()
    run = RunDir(store.runs_dir / "20260101-101010-old-aaaa")
    run.path.mkdir(mode=0o700)
    draft = JobDraft(project=str(project), env={"API_KEY": "x"}, launcher="direct")
    draft = draft.merged(JobDraft(entry="train.py"))
    run.job.write_text(job_to_yaml(resolve_job(None, draft, project, {"PATH": "/usr/bin"})))
    with pytest.raises(UserError, match=r"env.API_KEY looks like a secret"):
        said("template", "save", "old", run.id)
    said("template", "save", "old", run.id, "--drop-secrets")
    kept = template_store().get("old").draft
    assert (kept.entry, kept.launcher, kept.env) == ("train.py", "direct", None)
    with pytest.raises(UserError):
        said("template", "save", "x", "no-such-run")


def test_broken_ones_are_listed_with_their_line(project: Path) -> None:
    template_store().write("bad", "entry: a.py\nnodes: 4\n")
    assert "✖ line 2: nodes: is not a known key" in said("template", "ls")
    result = _run("template", "show", "bad")
    assert result.stdout == "entry: a.py\nnodes: 4\n"
    assert "bad.yaml:2: nodes: is not a known key" in result.stderr
    with pytest.raises(UserError, match=r"bad.yaml:2: nodes"):
        said("run", "--template", "bad", "--dry-run")


def test_escapes_in_a_file_do_not_reach_the_terminal(project: Path) -> None:
    template_store().write("a", "# \x1b[2J\x1b]0;x\x07\nentry: a.py\n")
    for words in (("ls",), ("show", "a")):
        result = _run("template", *words)
        assert "\x1b" not in result.output
        assert "\x07" not in result.output


def test_a_template_is_run_under_options_and_over_a_target(project: Path) -> None:
    template_store().save("t", "entry: train.py\nlauncher: direct\nnproc_per_node: 2\n")
    plan = json.loads(said("run", "--template", "t", "--dry-run", "--json"))
    assert (plan["world_size"], plan["project"]) == (2, str(project))
    plan = json.loads(
        said("run", "--template", "t", "--nproc-per-node", "3", "--dry-run", "--json", ".")
    )
    assert plan["world_size"] == 3
    with pytest.raises(UserError, match="no template named 'u'"):
        said("run", "--template", "u", "--dry-run")


def _editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(program))


def test_editing_saves_what_is_right_and_nothing_else(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = template_store()
    _editor(tmp_path, monkeypatch, 'echo "entry: new.py" >"$1"')
    assert "saved" in said("template", "edit", "n")
    assert store.get("n").draft.entry == "new.py"
    assert "nothing has changed" in said("template", "edit", "n")
    _editor(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(UserError, match="ended with 3"):
        said("template", "edit", "n")
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="EDITOR is not set"):
        said("template", "edit", "n")


class _Answers:
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def confirm(self, question: str, detail: str) -> bool:
        self.asked.append(question)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "entry"), [((False, True), None), ((False, False), "a.py"), ((True,), "c.py")]
)
def test_mistakes_are_asked_about(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[bool, ...],
    entry: str | None,
) -> None:
    store: TemplateStore = template_store()
    store.save("a", "entry: a.py\n")
    asked = _Answers(*answers)
    monkeypatch.setattr("rankdeck.cli.asking.terminal_ask", lambda: asked)
    _editor(
        tmp_path,
        monkeypatch,
        'if grep -q entri "$1"; then echo "entry: c.py" >"$1"; else echo "entri: b.py" >"$1"; fi',
    )
    result = _run("template", "edit", "a")
    assert "a.yaml:1: entri: is not a known key" in result.stderr
    assert asked.asked[0] == "Edit it again?"
    assert asked.answers == []
    assert store.get("a").draft.entry == entry


def test_where_nobody_can_be_asked_the_text_is_kept_beside(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rankdeck.ask import Nobody

    store = template_store()
    store.save("a", "entry: a.py\n")
    monkeypatch.setattr("rankdeck.cli.asking.terminal_ask", Nobody)
    _editor(tmp_path, monkeypatch, 'echo "entri: b.py" >"$1"')
    with pytest.raises(UserError) as caught:
        said("template", "edit", "a")
    assert store.get("a").draft.entry == "a.py"
    (left,) = store.folder.glob(".edit*")
    assert str(left) in caught.value.hint
    assert left.read_text() == "entri: b.py\n"


def test_workspaces_are_saved_from_options_used_and_shown(project: Path) -> None:
    said("workspace", "save", "lab", "--backend", "mpi", "--host", "a,b", "--time-limit", "1h")
    said("workspace", "save", "here", "--nproc-per-node", "3", "--description", "this machine")
    assert "new jobs begin from here" in said("workspace", "use", "here")
    listed = said("workspace", "ls").splitlines()
    assert listed[1].split()[:2] == ["*", "here"]
    assert json.loads(said("workspace", "ls", "--json"))["current"] == "here"
    assert said("workspace", "show").startswith("# this machine\nnproc_per_node: 3\n")
    (project / "job.yaml").write_text("entry: train.py\nlauncher: direct\n")
    words = ("run", "--dry-run", "--json")
    assert json.loads(said(*words))["world_size"] == 3
    assert json.loads(said(*words, "--workspace", ""))["world_size"] == 1
    assert (
        json.loads(said("nodes", "--json", "--workspace", "lab"))["nodes"][1]["node"]["name"] == "b"
    )
    said("workspace", "use", "--none")
    assert json.loads(said(*words))["world_size"] == 1
    with pytest.raises(UserError, match="no workspace named 'x'"):
        said(*words, "--workspace", "x")
    said("workspace", "cp", "lab", "lab2")
    said("workspace", "rm", "lab", "here")
    assert [kept.name for kept in workspace_store().list()] == ["lab2"]


LINE = "HF_TOKEN=abc torchrun --nproc_per_node=2 --tee 3 train.py --lr 1e-4"


def test_a_line_becomes_a_job_file_and_a_template(project: Path) -> None:
    result = _run("import", LINE)
    assert "nproc_per_node: 2" in result.stdout
    assert "note: --tee 3 is left out" in result.stderr
    for words in (("--save", "t"), ("-o", "new.yaml")):
        with pytest.raises(UserError, match=r"env.HF_TOKEN looks like a secret"):
            said("import", LINE, *words)
    said("import", LINE, "--save", "t", "-o", "new.yaml", "--drop-secrets")
    assert "HF_TOKEN" not in (project / "new.yaml").read_text()
    assert template_store().get("t").draft.args == ("--lr", "1e-4")
    with pytest.raises(UserError, match="is there already"):
        said("import", LINE, "-o", "new.yaml", "--drop-secrets")
    spec = resolve_job("new.yaml", JobDraft(), project, {"PATH": "/usr/bin"})
    assert spec.entry == str(project / "train.py")


def test_a_script_is_read_from_a_file_or_from_stdin(project: Path) -> None:
    script = "#SBATCH -N 2\nsrun torchrun --nproc_per_node 4 train.py\n"
    (project / "job.sbatch").write_text(script)
    told = said("import", "job.sbatch")
    assert "backend: slurm" in told
    result = CliRunner().invoke(cli, ["import", "-", "--json"], input=script)
    told_as_json = json.loads(result.stdout)
    assert told_as_json["job"]["nnodes"] == 2
    assert "nnodes: 2" in told_as_json["yaml"]
    with pytest.raises(UserError, match="no launcher that is known"):
        said("import", "nothing.sh.txt a")


def test_the_demo_begins_from_no_workspace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []

    def submit(target: str, draft: JobDraft, begin: object = None) -> None:
        begun.append(begin)
        raise UserError("not now")

    monkeypatch.setattr("rankdeck.cli.run.submit_draft", submit)
    with pytest.raises(UserError, match="not now"):
        said("demo")
    assert begun == [Beginning(workspace="")]
