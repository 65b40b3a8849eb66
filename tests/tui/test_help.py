from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tui.fake_run import write_run
from tests.tui.pilot import make_deck, until_shown
from tui.deck import Deck
from tui.keys import Scope, all_keys, keys_of, markdown
from tui.screens.commands import CommandsScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen, help_blocks, one_below_other
from tui.screens.new_job import NewJobScreen
from tui.screens.nodes import NodesScreen
from tui.screens.palette import PaletteScreen
from tui.screens.run import RunScreen
from tui.screens.run_events import _Events
from tui.screens.run_failure import FailureCard
from tui.screens.run_signal import SignalScreen
from tui.screens.runs import RunsScreen
from tui.screens.secret import SecretScreen
from tui.screens.settings import SettingsScreen
from tui.screens.templates import TemplatesScreen
from tui.screens.workspaces import WorkspacesScreen
from tui.widgets.curves_pane import CurvesPane
from tui.widgets.form_plan import PlanView
from tui.widgets.log_pane import LogPane
from tui.widgets.log_prompt import _Line
from tui.widgets.node_load import NodeLoad
from tui.widgets.prompt_line import PromptLine
from tui.widgets.rank_grid import RankGrid
from tui.widgets.row_table import RowTable
from tui.widgets.text_lines import TextLines

OWNERS: dict[Scope, type] = {
    Scope.EVERYWHERE: Deck,
    Scope.RUNS: RunsScreen,
    Scope.TABLE: RowTable,
    Scope.FORM: NewJobScreen,
    Scope.PLAN: PlanView,
    Scope.RUN: RunScreen,
    Scope.RANKS: RankGrid,
    Scope.LOG: LogPane,
    Scope.LOG_PROMPT: _Line,
    Scope.CURVES: CurvesPane,
    Scope.NODE_LOAD: NodeLoad,
    Scope.EVENTS: _Events,
    Scope.FAILURE: FailureCard,
    Scope.SIGNAL: SignalScreen,
    Scope.NODES: NodesScreen,
    Scope.TEMPLATES: TemplatesScreen,
    Scope.WORKSPACES: WorkspacesScreen,
    Scope.SETTINGS: SettingsScreen,
    Scope.COMMANDS: CommandsScreen,
    Scope.CONFIRM: ConfirmScreen,
    Scope.SECRET: SecretScreen,
    Scope.PROMPT: PromptLine,
    Scope.MENU: PaletteScreen,
    Scope.HELP: HelpScreen,
}
"""Whose bindings a scope's rows are."""


def _bound(owner: type) -> set[str]:
    keys: set[str] = set()
    for binding in owner.__dict__.get("BINDINGS", ()):
        keys.update(getattr(binding, "key", "").split(","))
    return keys


@pytest.mark.parametrize(("scope", "owner"), OWNERS.items())
def test_every_binding_is_in_the_table_and_every_row_is_bound(scope: Scope, owner: type) -> None:
    told = {key for row in keys_of(scope) for key in row.keys.split(",")}
    assert _bound(owner) == told


@pytest.mark.parametrize("screen", [RunsScreen, RunScreen, NewJobScreen])
async def test_help_lists_exactly_the_keys_of_the_screen(home: Path, screen: type) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=(120, 60)) as pilot:
        await until_shown(pilot, "one")
        if screen is RunScreen:
            await pilot.press("enter")
        if screen is NewJobScreen:
            await pilot.press("n")
        await pilot.pause()
        assert isinstance(deck.screen, screen)
        await pilot.press("f1")
        assert isinstance(deck.screen, HelpScreen)
        lines = deck.screen.query_one(TextLines).lines
        assert lines == one_below_other(help_blocks(screen.SCOPES))
        rows = [line for line in lines if len(line) == 2]
        assert [line[1][0] for line in rows] == [key.help for key in keys_of(*screen.SCOPES)]
        await pilot.press("escape")
        assert isinstance(deck.screen, screen)


async def test_help_says_how_it_is_searched_and_closed(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("question_mark")
        await until_shown(pilot, "/ finds a key · esc closes")


def test_actions_exist() -> None:
    # pages of text scroll by the library's own actions
    owners = OWNERS | {Scope.TEXT: TextLines}
    for key in all_keys():
        assert key.scope in owners, key
        name = re.match(r"\w+", key.action)
        assert name is not None
        assert hasattr(owners[key.scope], f"action_{name[0]}"), key


def test_the_page_of_keys_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "keys.md"
    assert page.read_text() == markdown(), "run: python docs/make_keys.py"
