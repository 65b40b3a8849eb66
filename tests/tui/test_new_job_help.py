"""What the form does for whoever fills it: old values, beginnings, lists, checks, nothing lost."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest
from textual import events

from rankdeck.job.draft import JobDraft
from rankdeck.library.templates import template_store
from rankdeck.library.workspaces import workspace_store
from rankdeck.nodes.notes import NodeNotes
from rankdeck.run.layout import RunDir
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_project, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import ALL, assert_plain
from tui import preview
from tui.form.choice import Choice
from tui.form.kept import KeptForms
from tui.form.plan_rows import PlanRow, plan_rows
from tui.screens import new_job_plan
from tui.screens.confirm import ConfirmScreen
from tui.screens.job_pick import PickScreen
from tui.screens.new_job import NewJobScreen
from tui.widgets.form_choices import ChoiceList
from tui.widgets.form_field import FormField
from tui.widgets.form_plan import PlanView

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from rankdeck.plan.records import LaunchPlan
    from tui.deck import Deck

DECLARED = {
    "HyperParameters": [
        {"name": "lr", "types": "float", "defaultValue": "3e-4"},
        {"name": "amp", "types": "bool", "defaultValue": "false"},
    ]
}
DIRECT = (("launcher", "direct"), ("entry", "train.py"))


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project that has been run once, as the working directory."""
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    folder = write_project(home / "project")
    (folder / "HyperParameters.json").write_text(json.dumps(DECLARED))
    write_run(home, "before", ranks=2)
    monkeypatch.chdir(folder)
    return folder


def _field(deck: Deck, key: str) -> FormField:
    return next(field for field in deck.screen.query(FormField) if field.key == key)


def _form(deck: Deck) -> NewJobScreen:
    assert isinstance(deck.screen, NewJobScreen)
    return deck.screen


async def _open(pilot: Pilot[None], deck: Deck, *texts: tuple[str, str]) -> None:
    await pilot.press("n")
    await until_shown(pilot, "ready: ctrl+l starts")
    for key, text in texts:
        _field(deck, key).text = text


async def test_each_value_shows_what_it_was_and_goes_back(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, *DIRECT, ("name", "before"))
        await pilot.press("f5")
        await until_shown(pilot, "was 2")
        await pilot.press("ctrl+r")
        assert _field(deck, "nproc_per_node").text == "2"
        await until(pilot, lambda: _field(deck, "nproc_per_node").was is None)
        await pilot.press("f3", *"1e-3")
        await until_shown(pilot, "was 3e-4")
        await pilot.press("tab", "space")
        assert _field(deck, "hyperparameters.amp").text == "true"
        await until_shown(pilot, "was false")
        await pilot.press("f6")
        await until_shown(pilot, "lr: 3e-4 → 1e-3")
        await pilot.press("f7")
        await until(pilot, lambda: _field(deck, "hyperparameters.lr").text == "3e-4")
        assert _field(deck, "hyperparameters.amp").text == "false"
        await until(pilot, lambda: "Different from" not in screen_text(deck))


async def test_keys_of_one_burst_end_up_where_they_belong(home: Path, project: Path) -> None:
    """All of them are there before the first is dealt with, as after a paste or on a slow line."""
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck)
        for key in (
            "a",
            "b",
            "tab",
            "tab",
            "x",
            "shift+tab",
            "f3",
            "1",
            "down",
            "space",
            "f5",
            "4",
        ):
            deck.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: _field(deck, "nproc_per_node").text == "4")
        texts = {key: text for key, text in _form(deck).fields.texts().items() if text}
        assert texts == {
            "name": "ab",
            "entry": "x",
            "hyperparameters.lr": "1",
            "hyperparameters.amp": "true",
            "nproc_per_node": "4",
        }


async def test_tabs_lead_through_all_parts_and_back(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck)
        parts = []
        for _ in range(60):
            await pilot.press("tab")
            if _form(deck).part not in parts:
                parts.append(_form(deck).part)
            if isinstance(deck.focused, PlanView):
                break
        assert parts == ["project", "hyperparameters", "nodes", "resources", "preview"]
        await pilot.press("f5", "shift+tab")
        assert _form(deck).part == "nodes"
        field = _form(deck).field
        assert field is not None
        assert field.key == _form(deck)._fields_of("nodes")[-1].key


async def test_the_plan_stands_beside_the_fields_where_there_is_room(
    home: Path, project: Path
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck)
        await until_shown(pilot, "node 0:")
        assert "Arguments" in screen_text(deck)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "node 0:" not in screen_text(deck))
        await pilot.resize_terminal(200, 60)
        await until_shown(pilot, "node 0:")
        assert "Grace" in screen_text(deck)
        assert "Arguments" in screen_text(deck)


async def test_what_was_typed_survives_the_form(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, ("env", "HF_TOKEN=hf_secret A=1"))
        await pilot.press(*"mine")
        await pilot.press("escape")
        await until(pilot, lambda: bool(KeptForms(home).all()))
        await until(pilot, lambda: "name" in KeptForms(home).all()[0].texts)
    (kept,) = (home / "drafts").iterdir()
    assert "hf_secret" not in kept.read_text()
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck)
        await until_shown(pilot, "ctrl+o enter brings it back")
        await pilot.press("ctrl+o")
        await until_shown(pilot, "not started")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until(pilot, lambda: _field(deck, "name").text == "mine")
        await until(pilot, lambda: _field(deck, "env").text == "A=1")
        await until(pilot, lambda: "brings it back" not in screen_text(deck))


async def test_a_run_that_was_started_leaves_nothing_kept(home: Path, project: Path) -> None:
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, *DIRECT, ("args", "1 0 0"), ("name", "once"))
        await until(pilot, lambda: bool(KeptForms(home).all()))
        await pilot.press("ctrl+l")
        await until(pilot, lambda: not isinstance(deck.screen, NewJobScreen))
        await until(pilot, lambda: not KeptForms(home).all())
        await until_shown(pilot, "succeeded")


async def test_forms_begin_with_templates_runs_and_files(home: Path, project: Path) -> None:
    template_store().save("night", JobDraft(nproc_per_node="3", name="owl"), "for nights")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, ("setup", "true"))
        await pilot.press("ctrl+o")
        await until_shown(pilot, "for nights")
        await pilot.press(*"night", "enter")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until(pilot, lambda: _field(deck, "name").text == "owl")
        assert _field(deck, "setup").text == ""
        await pilot.press("ctrl+o")
        await until_shown(pilot, "1×2")
        await pilot.press(*"before", "enter")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until(pilot, lambda: _field(deck, "nproc_per_node").text == "2")
        assert _field(deck, "hyperparameters.lr").text == "3e-4"
        (project / "x.yaml").write_text("nproc_per_node: many\n")
        await pilot.press("ctrl+o", *"x.yaml", "enter")
        await until(pilot, lambda: _field(deck, "nproc_per_node").text == "many")
        await until(pilot, lambda: bool(_field(deck, "nproc_per_node").problem))


async def test_a_pasted_command_line_fills_the_form_after_a_yes(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck)
        await pilot.press("tab")
        command = "$ torchrun --standalone --nproc_per_node=2 \\\n  train.py --lr 0.1 [/rank3]"
        deck.post_message(events.Paste(command))
        await until_shown(pilot, "Fill the form from this command line?")
        assert_plain(deck)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until(pilot, lambda: _field(deck, "nproc_per_node").text == "2")
        assert _field(deck, "args").text == "--lr 0.1 '[/rank3]'"
        assert _field(deck, "project").text in ("", str(project))
        deck.post_message(events.Paste("/plain/path\nsecond line"))
        await until(pilot, lambda: any("/plain/path" in f.text for f in _form(deck).fields.all))


async def test_what_a_command_line_lacks_is_asked_for_by_the_names_of_fields(
    home: Path, project: Path
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        deck.post_message(events.Paste("torchrun --nnodes 2 --rdzv-endpoint n1:29500 train.py"))
        await until_shown(pilot, "the line names no hosts: give Hostfile or Hosts")
        await pilot.press("y")
        await until(pilot, lambda: _field(deck, "nnodes").text == "2")
        await until_shown(pilot, "1 problem: ctrl+l goes there")
        assert "the line names no hosts" not in screen_text(deck), "it has been told"


async def test_where_there_is_one_machine_no_nodes_are_chosen(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("ctrl+e")
        await until_shown(pilot, "everything runs on this machine")
        assert isinstance(deck.screen, NewJobScreen)


async def test_nothing_to_run_offers_a_way_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "Nothing to run here")
        await pilot.press("ctrl+o")
        await until_shown(pilot, "sample")
        await pilot.press(*"direct")
        await pilot.press("enter")
        await until(pilot, lambda: bool(os.listdir(empty)))
        await until_shown(pilot, "ready: ctrl+l starts")


async def test_read_only_makes_no_sample_and_starts_nothing(home: Path, project: Path) -> None:
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "nothing can be started here")
        await pilot.press(*"x", "ctrl+l")
        await until_shown(pilot, "read-only")
        assert len(RunStore(home).list()) == 1
        await pilot.press("escape")
        await pilot.pause()
    assert not (home / "drafts").exists()


async def test_lists_of_values_and_paths_open_on_enter(home: Path, project: Path) -> None:
    (project / "data").mkdir()
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck)
        _form(deck).go_to_field("launcher")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await until_shown(pilot, "the default")
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        assert _field(deck, "launcher").text == "script"
        _form(deck).go_to_field("dataset_dir")
        await pilot.press("enter")
        await until_shown(pilot, "data/")
        await pilot.press("d")
        await until_shown(pilot, "as typed")
        await until_shown(pilot, "data/")
        await pilot.press("down", "enter")
        await until(pilot, lambda: _field(deck, "dataset_dir").text == "data/")
        # a field without a list goes on to the next one
        _form(deck).go_to_field("setup")
        await pilot.press("enter")
        field = _form(deck).field
        assert field is not None
        assert field.key == "dataset_dir"


async def test_the_suggested_path_is_taken_and_taken_back(home: Path, project: Path) -> None:
    (project / "unlikely-name").mkdir()
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck)
        _form(deck).go_to_field("model_dir")
        await pilot.press(*"unl")
        field = _field(deck, "model_dir")
        await until(pilot, lambda: field.input._suggestion == "unlikely-name/")
        await pilot.press("right")
        assert field.text == "unlikely-name/"
        await pilot.press("ctrl+z")
        assert field.text == "unl"
        await pilot.press("ctrl+y")
        assert field.text == "unlikely-name/"
        # what holds by default can be taken to be changed
        _form(deck).go_to_field("entry")
        await pilot.press("right")
        assert _field(deck, "entry").text.endswith("/train.py")


async def test_long_values_are_edited_elsewhere(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(app: object, command: list[str]) -> None:
        with open(command[-1], encoding="utf-8") as file:
            assert file.read() == "--a 1\n"
        with open(command[-1], "w", encoding="utf-8") as file:
            file.write("--a 2\n--b 'c d'\n\n")

    monkeypatch.setenv("VISUAL", "true")
    monkeypatch.setattr("tui.outside.run_outside", edit)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, ("args", "--a 1"))
        _form(deck).go_to_field("args")
        await pilot.press("ctrl+x")
        assert _field(deck, "args").text == "--a 2 --b 'c d'"


async def test_the_plan_is_written_out_in_the_background(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def told(plan: LaunchPlan, *, in_full: bool = False) -> tuple[PlanRow, ...]:
        threads.append(threading.current_thread())
        rows = plan_rows(plan, in_full=in_full)
        return (PlanRow((("all of every node", ""),)), *rows) if in_full else rows

    monkeypatch.setattr(preview, "plan_rows", told)
    monkeypatch.setattr(new_job_plan, "plan_rows", told)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, *DIRECT, ("name", "scripts"))
        await pilot.press("f6")
        await until_shown(pilot, "launcher:   direct")
        assert "all of every node" not in screen_text(deck)
        await pilot.press("z")
        await until_shown(pilot, "all of every node")
        # what is asked anew comes as it was wanted last
        form = deck.screen
        assert isinstance(form, NewJobScreen)
        name = form.fields.get("name")
        assert name is not None
        name.input.value = "other"
        await until_shown(pilot, "run:        other")
        assert "all of every node" in screen_text(deck)
        await pilot.press("z")
        await until(pilot, lambda: "all of every node" not in screen_text(deck))
    assert threads
    assert threading.main_thread() not in threads


async def test_the_preview_is_searched_copied_and_written(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[tuple[str, str]] = []
    deck = make_deck(home)
    monkeypatch.setattr(deck, "copy", lambda text, what: copied.append((what, text)))
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, *DIRECT, ("name", "scripts"))
        await pilot.press("f6")
        await until_shown(pilot, "launcher:   direct")
        await pilot.press("/", *"node_rank", "enter")
        view = deck.screen.query_one(PlanView)
        await until(pilot, lambda: view.row is not None and "NODE_RANK" in str(view.row.line))
        await pilot.press("y", "Y")
        assert [what for what, _ in copied] == ["script of node 0", "preview"]
        assert copied[0][1].startswith("#!/usr/bin/env bash")
        # the first esc forgets what was searched for, the second leaves
        await pilot.press("escape")
        assert isinstance(deck.screen, NewJobScreen)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: (project / "scripts-scripts" / "node-0.sh").exists())
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: (project / "job.yaml").exists())
        assert "launcher: direct" in (project / "job.yaml").read_text()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await pilot.press("enter")
        await until_shown(pilot, "Replace this file?")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: isinstance(deck.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: template_store().path("scripts").exists())


async def test_enter_on_a_problem_goes_to_its_field(home: Path, project: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, ("time_limit", "soon"))
        await pilot.press("f6")
        await until_shown(pilot, "Not ready yet")
        await pilot.press("j", "j", "enter")
        field = _form(deck).field
        assert field is not None
        assert field.key == "time_limit"


async def test_a_check_finds_things_beside_fields_and_a_launch_asks(
    home: Path, project: Path
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck, ("launcher", "torchrun"))
        bare = "/usr/bin/python3"
        _field(deck, "python").text = bare
        await until_shown(pilot, f"run   {bare} -m")
        await pilot.press("ctrl+k")
        await until(pilot, lambda: bool(_form(deck).checkup.findings))
        await until_shown(pilot, "has no torch")
        findings = _form(deck).checkup.findings
        assert "python" in {finding.field for finding in findings if finding.level == "error"}
        await pilot.press("ctrl+l")
        await until_shown(pilot, "Start it all the same?")
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(deck.screen, ConfirmScreen))
        assert len(RunStore(home).list()) == 1
        # another interpreter: what was found does not hold any more
        _field(deck, "python").text = ""
        await until(pilot, lambda: "has no torch" not in screen_text(deck))


async def test_a_check_can_be_given_up(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    let_go = threading.Event()
    monkeypatch.setattr(
        "tui.screens.new_job_check.look_at_nodes", lambda *_: let_go.wait(30) and ()
    )
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck)
        await pilot.press("ctrl+k")
        await until_shown(pilot, "checking …")
        await pilot.press("ctrl+k")
        await until_shown(pilot, "ready: ctrl+l starts")
        let_go.set()


async def test_nodes_are_counted_and_refused_beside_their_field(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "hosts").write_text("n1 slots=8\nn2 slots=8\n")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, *DIRECT, ("backend", "ssh"))
        for key, text in {"hostfile": "hosts", "nproc_per_node": "8"}.items():
            _field(deck, key).text = text
        await pilot.press("f4")
        await until_shown(pilot, "✔ 2 nodes × 8")
        _field(deck, "include").text = "n[2-9]"
        await until(pilot, lambda: bool(_field(deck, "include").problem))
        _field(deck, "include").text = "n2"
        await until_shown(pilot, "✔ 1 node × 8")
        _field(deck, "hostfile").text = "nowhere"
        await until(pilot, lambda: "cannot be read" in _field(deck, "hostfile").problem)


async def test_nodes_are_picked_from_a_list(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "hosts").write_text("n1\nn2\nn3\n")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck, ("backend", "ssh"), ("hostfile", "hosts"))
        await until_shown(pilot, "3 nodes")
        _form(deck).go_to_field("include")
        await pilot.press("enter")
        from tui.screens.nodes import NodesScreen

        await until(pilot, lambda: isinstance(deck.screen, NodesScreen))
        assert isinstance(deck.screen, NodesScreen)
        assert deck.screen._draft.hostfile == "hosts"
        picked = deck.screen._picked
        assert picked is not None
        picked("n[1-2]", "")
        deck.pop_screen()
        await until(pilot, lambda: _field(deck, "include").text == "n[1-2]")
        await until_shown(pilot, "2 nodes × 1 = 2 ranks")


async def test_a_patch_is_typed_on_top_of_the_run(home: Path, project: Path) -> None:
    run = RunDir(home / "runs" / RunStore(home).list()[0].id)
    deck = make_deck(home)
    patch = JobDraft(nproc_per_node="1", hyperparameters={"lr": "5", "none": "x"})
    async with deck.run_test(size=WIDE) as pilot:
        await deck.push_screen(NewJobScreen(str(run.job), patch=patch))
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until(
            pilot, lambda: any(f.key == "hyperparameters.lr" for f in deck.screen.query(FormField))
        )
        await until(pilot, lambda: _field(deck, "hyperparameters.lr").text == "5")
        assert _field(deck, "nproc_per_node").text == "1"
        # what the project does not declare stands in the field for the rest
        assert _field(deck, "hyperparameters").text == "none=x"
        assert _field(deck, "hyperparameters").display


async def test_lists_and_questions_show_hostile_text_as_text(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        choices = [Choice(str(n), ALL, ALL, "[/x]\x1b[2J") for n in range(3)]
        deck.push_screen(PickScreen(ALL, choices, hint=ALL))
        await until(pilot, lambda: len(deck.screen.query(ChoiceList)) == 1)
        await until(pilot, lambda: len(deck.screen.query_one(ChoiceList).choices) == 3)
        assert_plain(deck)


async def test_the_current_workspace_is_named_and_holds(home: Path, project: Path) -> None:
    store = workspace_store()
    store.save("lab", JobDraft(nproc_per_node="2"))
    store.use("lab")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck)
        await until_shown(pilot, "new job in lab")
        await until_shown(pilot, "1 node × 2 = 2 ranks")
        await pilot.press("f5", "7")
        await until_shown(pilot, "1 node × 7 = 7 ranks")


async def test_a_node_with_a_note_to_avoid_it_is_told_beside_its_field(
    home: Path, project: Path
) -> None:
    NodeNotes(home).write("n2", "bad [/NVLink]\x1b[2J", avoid=True)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck, *DIRECT, ("backend", "ssh"), ("host", "n1,n2"))
        await pilot.press("f4")
        await until_shown(pilot, "avoid n2")
        assert_plain(deck)
