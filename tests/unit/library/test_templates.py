from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import InvalidJobError, UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve, resolve_job
from rankdeck.library.names import in_templates
from rankdeck.library.secrets import SecretChoice, SecretsFoundError
from rankdeck.library.templates import TemplateStore, template_of, template_store

if TYPE_CHECKING:
    from pathlib import Path

HAND = "# mine, with care\n\n# the model\nentry: train.py   # not test.py\nnproc_per_node: 4\n"


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    return TemplateStore(tmp_path / "config" / "templates")


def test_nothing_is_made_before_something_is_kept(store: TemplateStore) -> None:
    assert store.list() == ()
    assert not store.folder.exists()


def test_a_job_is_kept_and_read_again(store: TemplateStore) -> None:
    job = JobDraft(project="/p", entry="/p/a.py", nproc_per_node="4", time_limit="2h", args="-x 1")
    path = store.save("big", job, "the big one")
    assert path == store.folder / "big.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    (kept,) = store.list()
    assert (kept.name, kept.description, kept.problems) == ("big", "the big one", ())
    assert (kept.draft.entry, kept.draft.args) == ("a.py", ("-x", "1"))
    assert "nproc_per_node: 4\n" in path.read_text()


@pytest.mark.parametrize(
    "name",
    ["", "..", ".x", "a/b", "/etc/x", "a b", "-x", "a\nb", "a" * 65, "x.yaml", "x.yml", "$x"],
)
def test_names_are_no_paths(store: TemplateStore, name: str) -> None:
    for call in (
        lambda: store.path(name),
        lambda: store.save(name, JobDraft(entry="a.py")),
        lambda: store.copy("a", name),
        lambda: store.remove(name),
        lambda: store.get(name),
    ):
        with pytest.raises(UserError):
            call()
    assert not store.folder.exists() or os.listdir(store.folder) == []


@pytest.mark.parametrize("name", ["a", "a.b-c_1", "模型", "7b", "run"])
def test_names_may_be_of_any_script(store: TemplateStore, name: str) -> None:
    store.save(name, JobDraft(entry="a.py"))
    assert store.get(name).name == name


def test_a_hand_written_file_keeps_every_byte_on_saving_and_copying(store: TemplateStore) -> None:
    store.save("a", HAND)
    assert store.text("a") == HAND
    assert store.get("a").description == "mine, with care"
    store.copy("a", "b")
    assert store.path("b").read_bytes() == HAND.encode()
    store.save("c", HAND, "another purpose")
    assert store.text("c") == "# another purpose\n" + HAND
    (store.folder / "broken.yaml").write_bytes(b"# x\n\xff\xfe: [\n")
    store.copy("broken", "d")
    assert store.path("d").read_bytes() == b"# x\n\xff\xfe: [\n"


def test_one_of_that_name_is_replaced_only_on_demand(store: TemplateStore) -> None:
    store.save("a", HAND)
    store.save("b", JobDraft(entry="b.py"))
    for call in (lambda: store.save("a", JobDraft(entry="x.py")), lambda: store.copy("b", "a")):
        with pytest.raises(UserError, match="already a template named 'a'"):
            call()
    assert store.text("a") == HAND
    store.save("a", JobDraft(entry="x.py"), overwrite=True)
    assert store.get("a").draft.entry == "x.py"


def test_broken_files_are_listed_with_their_line(store: TemplateStore, tmp_path: Path) -> None:
    store.save("good", JobDraft(entry="a.py"))
    write = {
        "syntax.yaml": "# s\nentry: [\n",
        "unknown.yaml": "entry: a.py\nnodes: 4\n",
        "bytes.yaml": None,
        "other.yml": "entry: a.py\n",
        "no name.yaml": "entry: a.py\n",
    }
    for name, text in write.items():
        (store.folder / name).write_bytes(b"# x\nentry: \xff\n" if text is None else text.encode())
    (store.folder / "folder.yaml").mkdir()
    os.mkfifo(store.folder / "pipe.yaml")
    os.symlink("nowhere", store.folder / "link.yaml")
    (store.folder / ".hidden.yaml").write_text("entry: a.py\n")
    (store.folder / "notes.txt").write_text("")
    told = {kept.name: kept for kept in store.list()}
    assert set(told) == {
        *("good", "syntax", "unknown", "bytes", "other.yml", "no name"),
        *("folder", "pipe", "link"),
    }
    assert told["good"].problems == ()
    lines = {name: kept.problems[0].line for name, kept in told.items() if kept.problems}
    assert (lines["syntax"], lines["unknown"], lines["bytes"]) == (3, 2, 2)
    assert told["unknown"].problems[0].hint == "did you mean nnodes?"
    assert told["unknown"].draft.entry == "a.py"
    assert all(kept.problems[0].file == kept.path for name, kept in told.items() if name != "good")
    for kept in told.values():
        if kept.name != "folder":
            store.remove_file(kept)
    assert sorted(os.listdir(store.folder)) == [".hidden.yaml", "folder.yaml", "notes.txt"]


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(store: TemplateStore) -> None:
    store.save("a", JobDraft(entry="a.py"))
    first = store.list()
    assert store.list()[0] is first[0]
    store.path("a").write_text("entry: other.py\n")
    assert store.list()[0].draft.entry == "other.py"


def test_a_text_that_is_no_job_is_not_saved(store: TemplateStore) -> None:
    with pytest.raises(InvalidJobError, match=r"a\.yaml:1: foo: is not a known key"):
        store.save("a", "foo: 1\n")
    assert not store.folder.exists()


def test_secrets_are_told_left_out_or_kept(store: TemplateStore) -> None:
    job = JobDraft(
        entry="a.py",
        args=("--api-key", "sk-aaaaaaaaaaaaaaaaaaaaaa", "--lr", "1", "--token=abcdefgh"),
        env={"HF_TOKEN": "hf_x", "A": "b", "URL": "https://u:pw@host/"},
        hyperparameters={"password": "x", "tokenizer": "t"},
    )
    with pytest.raises(SecretsFoundError) as caught:
        store.save("a", job)
    assert caught.value.names == (
        "hyperparameters.password", "env.HF_TOKEN", "env.URL", "--api-key", "--token",
    )  # fmt: skip
    assert not store.folder.exists()
    store.save("a", job, secrets=SecretChoice.DROP)
    text = store.text("a")
    for secret in ("sk-", "hf_x", "pw@", "abcdefgh", "--api-key", "password"):
        assert secret not in text
    kept = store.get("a").draft
    assert (kept.args, kept.env) == (("--lr", "1"), {"A": "b"})
    assert kept.hyperparameters == {"tokenizer": "t"}
    store.save("b", job, secrets=SecretChoice.KEEP)
    assert "hf_x" in store.text("b")
    with pytest.raises(SecretsFoundError):
        store.save("c", "entry: a.py\nenv:\n  HF_TOKEN: hf_x\n")


def test_a_link_to_a_file_elsewhere_stays_one(store: TemplateStore, tmp_path: Path) -> None:
    store.save("a", JobDraft(entry="a.py"))
    elsewhere = tmp_path / "dotfiles.yaml"
    elsewhere.write_text(HAND)
    store.path("b").symlink_to(elsewhere)
    store.save("b", JobDraft(entry="b.py"), overwrite=True)
    assert store.path("b").is_symlink()
    assert "b.py" in elsewhere.read_text()


def test_a_write_that_fails_leaves_the_old_file(
    store: TemplateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save("a", HAND)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        store.save("a", JobDraft(entry="x.py"), overwrite=True)
    assert store.text("a") == HAND
    assert os.listdir(store.folder) == ["a.yaml"]


def test_what_is_missing_is_told_with_its_nearest(store: TemplateStore) -> None:
    store.save("llama", HAND)
    for call in (
        lambda: store.get("lama"),
        lambda: store.remove("lama"),
        lambda: store.copy("lama", "x"),
        lambda: store.text("lama"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.hint == "did you mean llama?"


def test_a_template_of_a_run_says_what_its_author_meant(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    given = JobDraft(project=str(tmp_path), nproc_per_node=2, python="/usr/bin/python3")
    spec = resolve_job(None, given, tmp_path, {"PATH": "/usr/bin"})
    kept = template_of(spec)
    told = {f for f in kept.__struct_fields__ if getattr(kept, f) not in (None, {})}
    assert told == {"name", "project", "entry", "python", "nproc_per_node"}
    assert kept.entry == "train.py"
    direct = resolve_job(
        None, JobDraft(project=str(tmp_path), launcher="direct", entry="train.py"), tmp_path, {}
    )
    assert template_of(direct).launcher == "direct"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TemplateStore:
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    return template_store()


def test_a_template_without_a_project_runs_where_it_is_started(
    home: TemplateStore, tmp_path: Path
) -> None:
    path = home.save("here", "entry: train.py\noutput_dir: out\nlauncher: direct\n")
    assert in_templates(str(path))
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "train.py").write_text("")
        spec = resolve_job(str(path), JobDraft(), folder, {"PATH": "/usr/bin"})
        assert (spec.project, spec.name) == (str(folder), name)
        assert spec.entry == str(folder / "train.py")
        assert spec.output_dir == str(folder / "out")


def test_a_target_under_a_template_says_where_and_what(home: TemplateStore, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "train.py").write_text("")
    (folder / "solve.py").write_text("")
    (folder / "job.yaml").write_text("nproc_per_node: 2\ntime_limit: 1h\nlauncher: direct\n")
    template = home.save("t", "project: /p\nentry: train.py\nnproc_per_node: 8\nenv: {A: b}\n")
    environ = {"PATH": "/usr/bin"}

    def of(target: str, **flags: object) -> tuple[object, ...]:
        draft = JobDraft(**flags)  # type: ignore[arg-type]
        spec = resolve(target, draft, folder, environ, template=template).spec
        return spec.project, spec.entry, spec.nproc_per_node, spec.time_limit, spec.env

    whole = (str(folder), str(folder / "train.py"), 8, 3600.0, {"A": "b"})
    assert of(".") == whole
    assert of(".", nproc_per_node=3) == (*whole[:2], 3, *whole[3:])
    assert of("solve.py")[1:3] == (str(folder / "solve.py"), 8)
