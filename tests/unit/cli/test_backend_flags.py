from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner

from rankdeck.backend import BackendOption, backend_options, shipped_backends
from rankdeck.cli import backend_flags as module
from rankdeck.cli.job_options import JobCommand, draft_from, job_options, split_at_target
from rankdeck.errors import InvalidJobError
from rankdeck.job.fields import FIELDS

TABLES: dict[str, tuple[BackendOption, ...]] = {
    "local": (),
    "ssh": (
        BackendOption(name="sync", type="bool", help="Copy the project.", default=False),
        BackendOption(
            name="transport", type="str", help="Which client.", choices=("own", "openssh"),
            default="own",
        ),
    ),
    "slurm": (
        BackendOption(name="partition", type="str", help="Where to queue.", metavar="NAME"),
        BackendOption(name="gpus_per_node", type="int", help="GPUs."),
        BackendOption(name="line", type="str", help="One more line.", repeatable=True),
        BackendOption(name="host", type="str", help="Spelled like a field."),
    ),
    "mpi": (BackendOption(name="transport", type="str", help="Which launcher."),),
}  # fmt: skip

Parse = Callable[..., dict[str, Any]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    monkeypatch.setattr(module, "shipped_backends", lambda: tuple(TABLES))
    monkeypatch.setattr(module, "backend_options", TABLES.__getitem__)

    @click.command("run", cls=JobCommand)
    @click.argument("target", required=False)
    @job_options
    def run(**options: Any) -> None:
        """Run it."""

    return run


@pytest.fixture
def options(command: click.Command) -> Callable[..., dict[str, Any]]:
    def read(*words: str) -> dict[str, Any]:
        given = dict(command.make_context("run", list(words)).params)
        given.pop("target")
        return given

    return read


def test_every_option_has_a_flag(options: Parse) -> None:
    draft = draft_from(
        options("--partition", "gpu", "--gpus-per-node=2", "--sync", "--line", "a", "--line", "b c")
    )
    assert draft.backend_options == {
        "partition": "gpu", "gpus_per_node": "2", "sync": True, "line": "a\nb c",
    }  # fmt: skip
    assert draft.source("backend_options.gpus_per_node").key == "--gpus-per-node"
    assert draft_from(options("--no-sync")).backend_options == {"sync": False}
    assert draft_from(options()).backend_options is None


def test_both_ways_to_give_an_option_go_together_but_not_for_one(options: Parse) -> None:
    words = ("--backend-option", "partition=a")
    assert draft_from(options(*words, "--sync")).backend_options == {"partition": "a", "sync": True}
    with pytest.raises(InvalidJobError) as caught:
        draft_from(options(*words, "--partition", "b"))
    assert str(caught.value) == "--partition: is also given by --backend-option partition"


def test_help_has_a_heading_for_every_backend(command: click.Command) -> None:
    text = CliRunner().invoke(command, ["--help"], terminal_width=100).output
    own, *others = re.split(r"\nOptions of the (.+) backends?:\n", text)
    sections = dict(zip(others[::2], others[1::2], strict=True))
    assert list(sections) == ["ssh", "ssh and mpi", "slurm"]
    assert "--sync / --no-sync" in sections["ssh"]
    assert "Which client. (own, openssh; default: own)" in sections["ssh and mpi"]
    assert "--partition NAME" in sections["slurm"]
    assert "--gpus-per-node N" in sections["slurm"]
    assert "One more line. (repeatable)" in sections["slurm"]
    assert "--nproc-per-node" in own
    assert "--sync" not in own


def test_a_flag_that_a_field_has_is_left_to_the_field(options: Parse) -> None:
    draft = draft_from(options("--host", "a,b", "--backend-option", "host=x"))
    assert (draft.host, draft.backend_options) == ("a,b", {"host": "x"})


def test_flags_before_a_script_take_their_values_along(command: click.Command) -> None:
    words = ["--partition", "gpu", "--sync", "train.py", "--partition", "x"]
    assert split_at_target(command, words) == [*words[:4], "--", *words[4:]]


def test_choices_are_completed(command: click.Command) -> None:
    (param,) = [param for param in command.params if "--transport" in param.opts]
    context = click.Context(command)
    assert [item.value for item in param.shell_complete(context, "o")] == ["own", "openssh"]


def test_no_option_of_a_shipped_backend_is_spelled_like_something_else() -> None:
    taken = {field.option for field in FIELDS} | module._TAKEN
    types: dict[str, str] = {}
    for backend in shipped_backends():
        for option in backend_options(backend):
            assert module.flag_spelling(option.name) not in taken, f"{backend}: {option.name}"
            # one flag for both: it must be read alike
            assert types.setdefault(option.name, option.type) == option.type
