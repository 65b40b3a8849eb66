"""What the form says: its own names for things, what is wrong in full, what a choice means."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import Problem
from rankdeck.job.draft import JobDraft
from rankdeck.probe.preflight import Finding, Level
from rankdeck.run.layout import RunDir
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_project, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.backend_form import describe_backend
from tui.form.last_run import LastRuns
from tui.form.starts import find_starts
from tui.form.words import in_labels, in_short, label_of, problem_text
from tui.looks import line_width, plain
from tui.preview import preview_job
from tui.screens.job_pick import PickScreen
from tui.screens.new_job import NewJobScreen
from tui.screens.new_job_head import about_lines
from tui.widgets.bars import LineBar
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from pathlib import Path

    from tui.deck import Deck


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project as the working directory."""
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    folder = write_project(home / "project")
    monkeypatch.chdir(folder)
    return folder


def _field(deck: Deck, key: str) -> FormField:
    return next(field for field in deck.screen.query(FormField) if field.key == key)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("nproc_per_node", "Ranks per node"),
        ("hyperparameters.lr", "lr"),
        ("hyperparameters", "Hyperparameters"),
        ("env.NCCL_DEBUG", "Environment NCCL_DEBUG"),
        ("backend_options.gpus_per_node", "GPUs per node"),
        ("backend_options.gone", "gone"),
        ("unheard_of", "unheard_of"),
    ],
)
def test_a_field_is_called_what_the_form_calls_it(key: str, label: str) -> None:
    assert label_of(key, describe_backend("slurm")) == label


def test_options_of_the_command_line_are_told_as_fields() -> None:
    assert in_labels("name them with --host a,b or --hostfile FILE") == (
        "name them with Hosts a,b or Hostfile FILE"
    )
    # neither what has no field, nor a part of another word, nor what is quoted
    for text in ("give --mpi-plugin", "x--host", "'--host'", "a/--host"):
        assert in_labels(text) == text


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (60, "Shell line (one) run first, as `a.b`; ranks get it (all)."),
        (54, "Shell line run first, as `a.b`; ranks get it"),
        (40, "Shell line run first, as `a.b`"),
        (8, "Shell line run first, as `a.b`"),
    ],
)
def test_a_help_text_is_as_long_as_there_is_room(room: int, told: str) -> None:
    assert in_short("Shell line (one) run first, as `a.b`; ranks get it (all).", room) == told


def test_what_is_wrong_in_a_file_is_told_in_its_own_words() -> None:
    typed = Problem("must be a number", key="--nproc-per-node", field="nproc_per_node")
    assert problem_text(typed) == "Ranks per node: must be a number"
    kept = Problem("is wrong", file="job.yaml", line=3, key="nnodes", field="nnodes")
    assert problem_text(kept) == "job.yaml:3: nnodes: is wrong"


def test_what_is_only_written_in_another_way_is_no_difference(home: Path, project: Path) -> None:
    run_id = write_run(home, "before")
    job = RunDir(home / "runs" / run_id).job
    job.write_text(
        f"project: {project}\nentry: train.py\nlauncher: direct\ngrace: 10.0\nhooks: true\n"
        "time_limit: 90\nnproc_per_node: 2\n"
    )
    preview = preview_job(
        str(job), JobDraft(nproc_per_node="x"), project, os.environ, LastRuns(RunStore(home))
    )
    assert [problem.field for problem in preview.problems] == ["nproc_per_node"]
    assert preview.changes == (("nproc_per_node", "2", "x"),)


async def test_what_is_wrong_is_told_in_full_with_what_to_do(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "ready")
        await pilot.press("f4", *"ssh")
        await until(pilot, lambda: bool(_field(deck, "nnodes").problem))
        _field(deck, "nnodes").input.focus()
        about = deck.screen.query_one("#about", LineBar)
        await until(pilot, lambda: "".join(t for t, _ in about.lines[0]).startswith("  ✖ no nodes"))
        said = " ".join(text for line in about.lines for text, _ in line)
        assert "Hosts a,b or Hostfile FILE" in said
        await pilot.press("f6")
        await until_shown(pilot, "name them with Hosts a,b or Hostfile FILE")
        assert "--host" not in screen_text(deck)


async def test_what_a_project_says_of_a_value_is_told_in_full(home: Path, project: Path) -> None:
    told = " ".join(f"word{number}" for number in range(1, 41)) + " end."
    names = [f"p{number}" for number in range(20)]
    declared = [{"name": name, "types": "int", "defaultValue": "1"} for name in names]
    declared[-2]["description"] = told
    (project / "HyperParameters.json").write_text(json.dumps({"HyperParameters": declared}))
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n", "f3")
        await until_shown(pilot, "HyperParameters.json")
        about = deck.screen.query_one("#about", LineBar)
        await until(pilot, lambda: deck.focused is _field(deck, "hyperparameters.p0").input)
        assert len(about.lines) == 3
        await pilot.press(*["down"] * 18)
        long, last = (_field(deck, f"hyperparameters.p{number}") for number in (18, 19))
        await until(pilot, lambda: deck.focused is long.input and len(about.lines) > 3)
        said = " ".join(plain(line).strip() for line in about.lines)
        assert f"int · {told}" in said
        await pilot.press("down")
        await until(pilot, lambda: deck.focused is last.input and about.region.height == 3)
        await until(pilot, lambda: last.region.bottom <= about.region.y)


async def test_what_is_told_of_a_field_does_not_hide_it(home: Path, project: Path) -> None:
    declared = [{"name": f"p{number}", "types": "int", "defaultValue": "1"} for number in range(20)]
    (project / "HyperParameters.json").write_text(json.dumps({"HyperParameters": declared}))
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n", "f3")
        await until_shown(pilot, "p0")
        last = _field(deck, "env")
        about = deck.screen.query_one("#about", LineBar)
        last.editor.focus()
        await until(pilot, lambda: deck.focused is last.editor)
        await until(pilot, lambda: last.region.bottom == about.region.y)
        form = deck.screen
        assert isinstance(form, NewJobScreen)
        last.show_problem("word " * 60)
        form.head.show_about(last)
        await until(pilot, lambda: about.region.height > 3)
        await until(pilot, lambda: last.region.bottom <= about.region.y)


def test_no_help_takes_the_form_off_the_screen() -> None:
    about = (("word " * 300, "dim"),)
    lines = about_lines(about, *SMALL)
    assert len(lines) == 8
    assert plain(lines[-1]).endswith("…")
    assert all(line_width(line) <= 80 for line in lines)
    assert len(about_lines(about, 80, 5)) == 2
    assert [plain(line) for line in about_lines((("a word", "dim"),), *SMALL)] == ["  a word", ""]


async def test_hints_are_cut_to_the_width_there_is(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "ready")
        await pilot.press("f4")
        await until_shown(pilot, "enter: list")
        about = deck.screen.query_one("#about", LineBar)
        wide = about.lines[-1]
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: about.lines[-1] != wide)
        assert all(line_width(line) <= 60 for line in about.lines)
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: about.lines[-1] == wide)


async def test_a_list_says_what_its_names_stand_for(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "ready")
        await pilot.press("f4", "enter")
        await until_shown(pilot, "Hosts over SSH")
        await until_shown(pilot, "This machine · the default")
        await pilot.press("down", "enter")
        assert _field(deck, "backend").text == "ssh"
        await pilot.press("f2", *["down"] * 4, "enter")
        await until_shown(pilot, "any program, started once per rank")


async def test_a_line_to_type_offers_nothing_to_complete(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "ready")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await until_shown(pilot, "enter do it")
        assert "tab complete" not in screen_text(deck)
        await pilot.press("escape", "ctrl+o")
        await until_shown(pilot, "tab complete")


def test_a_sample_says_where_it_will_be_made(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, told in ((tmp_path / "empty", "made here: "), (tmp_path, "made in ./")):
        starts = find_starts(RunStore(home), 0.0, "", folder)
        (ddp,) = (start for start in starts if start.key == "sample:ddp")
        assert ddp.detail.startswith(told)
    assert "in ./rankdeck-ddp: " in ddp.detail


async def test_the_check_counts_what_it_has_found(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "ready")
        form = deck.screen
        assert isinstance(form, NewJobScreen)
        form.checkup.findings = (Finding(level=Level.WARNING, field="python", text="old"),)
        form.checkup._tell()
        await until_shown(pilot, "checked: 1 warning · f6 shows it")


async def test_what_can_be_put_back_is_offered_only_where_there_is_something(
    home: Path, project: Path
) -> None:
    write_run(home, "before", ranks=2)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "before")
        await pilot.press("n")
        await until_shown(pilot, "ready")
        await pilot.press("f5", "tab")
        await until(pilot, lambda: "ctrl+r" not in screen_text(deck))
        await pilot.press("7")
        await until_shown(pilot, "was not set")
        await until_shown(pilot, "ctrl+r as before")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "ctrl+r" not in screen_text(deck))
