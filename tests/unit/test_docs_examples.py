"""The command lines and job files on the pages are such as Rankdeck takes."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest

from rankdeck.cli.main import cli
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(rankdeck [a-z]+ [^`]*)`")


def _blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for found, text in _BLOCK.findall(page.read_text())
        if found == language
    ]


def _command_lines() -> list[str]:
    lines = [line for _, text in _blocks("sh") for line in text.splitlines()]
    lines += [found for page in PAGES for found in _INLINE.findall(page.read_text())]
    commands = [match[1] for line in lines if (match := re.search(r"\brankdeck (.*)", line))]
    assert len(commands) > 20
    return sorted(set(commands))


@pytest.mark.parametrize("line", _command_lines())
def test_command_lines_are_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # behind what is no folder, options would be the script's own
    for name in ("mymodel", "examples/gpt"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    # a redirection or another command behind it is the shell's
    words = shlex.split(line.partition(" | ")[0].partition('"')[0].rstrip(")"), comments=True)
    if not words:
        return  # the interface
    with click.Context(cli) as context:
        command = cli.get_command(context, words[0])
        assert command is not None
        # raises for an option that is not there; text may leave out the run that is meant
        with suppress(click.MissingParameter):
            command.make_context(words[0], words[1:], parent=context)


def _job_files() -> list[tuple[str, str]]:
    return [(name, text) for name, text in _blocks("yaml") if re.search(r"^entry:", text, re.M)]


@pytest.mark.parametrize(("page", "text"), _job_files())
def test_job_files_are_understood(page: str, text: str, tmp_path: Path) -> None:
    for name in ("train.py", "solver.py"):
        (tmp_path / name).write_text("print('ok')\n")
    (tmp_path / "hostfile").write_text("node1 slots=2\n")
    (tmp_path / "job.yaml").write_text(text)
    spec = resolve_job(str(tmp_path), JobDraft(), tmp_path, {"PATH": "/usr/bin:/bin"})
    assert spec.backend in text
    assert spec.backend_options
