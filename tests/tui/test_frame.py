"""What holds the deck together: bars, trail, last place, keys in order, read-only, notices."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyte
import pytest
from textual import events
from textual.screen import Screen
from textual.widgets import Input

from rankdeck.config.settings import Settings
from rankdeck.run.state import RunPhase
from tests.tui.fake_run import write_run
from tests.tui.pilot import make_deck, screen_text, until, until_shown
from tests.tui.terminal import Terminal
from tui.looks import plain
from tui.notices import Notices, ended_text
from tui.screens.commands import CommandsScreen
from tui.screens.runs import RunsScreen
from tui.screens.settings import SettingsScreen
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult

    from rankdeck.run.summary import RunSummary
    from tui.deck import Deck


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))


def _bar(deck: Deck, kind: type[KeyBar | TitleBar] = KeyBar) -> str:
    return plain(deck.screen.query_one(kind).lines[0])


# -- bars and trail -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 80, 200])
async def test_the_key_bar_always_has_the_help_and_marks_what_does_not_fit(
    home: Path, width: int
) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=(width, 24)) as pilot:
        await until_shown(pilot, "one")
        text = _bar(deck)
        assert text.rstrip().endswith("? help")
        assert len(text.rstrip()) <= width
        assert ("…" in text) == (width < 200)


async def test_the_key_bar_follows_the_focus(home: Path) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=(120, 24)) as pilot:
        await until_shown(pilot, "one")
        assert " s stop" in _bar(deck)
        await pilot.press("slash")
        await until(pilot, lambda: " s stop" not in _bar(deck))
        # what a field takes for itself is not offered; the help has another key then
        assert "f1 help" in _bar(deck)


async def test_the_title_tells_the_way_here_as_far_as_there_is_room(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "rankdeck ▸ runs")
        await pilot.press("comma", "ctrl+o")
        await until_shown(pilot, "rankdeck ▸ runs ▸ settings ▸ command log")
        await pilot.resize_terminal(44, 24)
        await until_shown(pilot, "… ▸ settings ▸ command log")
        await pilot.press("escape", "escape")
        assert isinstance(deck.screen, RunsScreen)
        await pilot.press("escape")
        assert isinstance(deck.screen, RunsScreen)


# -- places -------------------------------------------------------------------------------------


async def test_one_key_goes_to_the_last_place_and_back(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("minus")
        assert isinstance(deck.screen, RunsScreen)
        await pilot.press("comma", "escape", "minus")
        await until(pilot, lambda: isinstance(deck.screen, SettingsScreen))
        await pilot.press("minus")
        await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
        await pilot.press("minus", "ctrl+o", "minus")
        await until(pilot, lambda: isinstance(deck.screen, SettingsScreen))
        await pilot.press("minus")
        await until(pilot, lambda: isinstance(deck.screen, CommandsScreen))
        assert len(deck.screen_stack) <= 3


async def test_a_place_that_is_open_is_gone_back_to(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("comma", "ctrl+o", "comma")
        await until(pilot, lambda: isinstance(deck.screen, SettingsScreen))
        assert len(deck.screen_stack) == 2


# -- keys in order ------------------------------------------------------------------------------


class _Fields(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Input(id="first")
        yield Input(id="second")

    def on_mount(self) -> None:
        self.query_one("#first").focus()

    def on_input_submitted(self) -> None:
        self.query_one("#second").focus()


def _burst(deck: Deck, *keys: str) -> None:
    """As a terminal that has all of it in one read."""
    for key in keys:
        deck.post_message(events.Key(key, key if len(key) == 1 else None))


@pytest.mark.parametrize("between", ["tab", "enter"])
async def test_keys_that_come_at_once_go_where_the_focus_is_by_then(
    home: Path, between: str
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await deck.push_screen(_Fields())
        await pilot.pause()
        _burst(deck, *"one", between, *"two", "shift+tab", *"!")
        fields = [deck.screen.query_one(f"#{name}", Input) for name in ("first", "second")]
        await until(pilot, lambda: "!" in "".join(field.value for field in fields))
        assert [field.value for field in fields] in (["one!", "two"], ["!", "two"])


async def test_what_follows_a_key_that_opens_a_screen_goes_there(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        _burst(deck, "colon", *"settings", "enter", "down", "down", "colon", *"commands", "enter")
        await until(pilot, lambda: isinstance(deck.screen, CommandsScreen))
        settings = deck.screen_stack[1]
        assert isinstance(settings, SettingsScreen)
        assert settings.query_one(RowTable).cursor == 2


async def test_keys_keep_their_order_however_many_there_are(home: Path) -> None:
    deck = make_deck(home)
    text = "the quick brown fox jumps over the lazy dog " * 10
    async with deck.run_test(size=(80, 24)) as pilot:
        await deck.push_screen(_Fields())
        await pilot.pause()
        _burst(deck, *text)
        await until(pilot, lambda: len(deck.screen.query_one("#first", Input).value) == len(text))
        assert deck.screen.query_one("#first", Input).value == text


async def test_a_key_whose_widget_goes_away_keeps_none_waiting(home: Path) -> None:
    deck = make_deck(home)

    class Going(_Fields):
        def on_input_changed(self, event: Input.Changed) -> None:
            if event.input.id == "first":
                event.input.remove()
                self.query_one("#second").focus()

    async with deck.run_test(size=(80, 24)) as pilot:
        await deck.push_screen(Going())
        await pilot.pause()
        _burst(deck, "x", "a", "b")
        await until(pilot, lambda: deck.screen.query_one("#second", Input).value.endswith("b"))


# -- read-only ----------------------------------------------------------------------------------


async def test_read_only_is_seen_and_what_changes_something_is_refused(home: Path) -> None:
    write_run(home, "one", RunPhase.FAILED)
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=(120, 24), notifications=True) as pilot:
        await until_shown(pilot, "one")
        assert "read-only" in _bar(deck, TitleBar)
        styles = dict(deck.screen.query_one(KeyBar).lines[0])
        assert (styles["d"], styles["enter"]) == ("dim", "key")
        await pilot.press("d")
        assert isinstance(deck.screen, RunsScreen)
        await until_shown(pilot, "this deck is read-only")
        deck.refuse_writes(False)
        await pilot.press("d")
        await until(pilot, lambda: not isinstance(deck.screen, RunsScreen))


async def test_a_deck_that_was_started_read_only_stays_so(home: Path) -> None:
    from rankdeck.run.store import RunStore
    from tui.deck import Deck

    store = RunStore(home)
    store.ensure()
    deck = Deck(store, read_only=True)
    async with deck.run_test(size=(80, 24)):
        deck.refuse_writes(False)
        assert deck.read_only


def test_read_only_is_an_option(tmp_path: Path) -> None:
    home = tmp_path / "home"
    terminal = Terminal(home, "--read-only")
    try:
        terminal.read_until(b"read-only")
        terminal.read_until(b"There are no runs yet")
    finally:
        terminal.close()


def _order(words: tuple[str, ...], text: bytes) -> tuple[str, ...]:
    """Those of the words that a terminal of this size shows, by the first row of each."""
    screen = pyte.Screen(120, 40)
    pyte.ByteStream(screen).feed(text)
    rows: dict[int, str] = {}
    for word in words:
        found = [number for number, line in enumerate(screen.display) if word in line]
        rows |= {found[0]: word} if found else {}
    return tuple(rows[number] for number in sorted(rows))


def test_what_is_typed_at_once_into_the_form_goes_into_its_fields(tmp_path: Path) -> None:
    """As over a slow line: everything in one read of the terminal."""
    terminal = Terminal(tmp_path / "home", size=(120, 40))
    try:
        terminal.read_until(b"There are no runs yet")
        terminal.write(b"nfirst-text\tsecond-text\tthird-text")
        words = ("first-text", "second-text", "third-text")
        deadline = time.monotonic() + 90
        # a word may be drawn in several pieces, and one piece of the screen before another
        while (shown := _order(words, terminal.text)) != words:
            assert time.monotonic() < deadline, shown
            terminal.drain()
    finally:
        terminal.close()


# -- notices ------------------------------------------------------------------------------------


@dataclass
class _FakeDeck:
    """As much of a deck as notices need; nothing is done in the background."""

    settings: Settings = field(default_factory=Settings)
    runs: tuple[RunSummary, ...] = ()
    seen_run: str = ""
    told: list[str] = field(default_factory=list)
    bells: int = 0
    timers: list[Any] = field(default_factory=list)

    @property
    def controller(self) -> _FakeDeck:
        return self

    @property
    def store(self) -> _FakeDeck:
        return self

    def list(self, limit: int) -> tuple[RunSummary, ...]:
        return self.runs[:limit]

    def do(self, job: Any, done: Any, key: object = None) -> None:
        try:
            done(job(), None)
        except Exception as error:
            done(None, error)

    def notify(self, text: str, **_: object) -> None:
        self.told.append(text)

    def tell(self, error: Exception) -> None:
        self.told.append(str(error))

    def bell(self) -> None:
        self.bells += 1

    def set_timer(self, seconds: float, then: Any) -> None:
        assert seconds >= 2
        self.timers.append(then)


def _summary(home: Path, name: str, phase: RunPhase) -> RunSummary:
    from rankdeck.run.store import RunStore

    run = write_run(home, name, phase)
    run_id = run if isinstance(run, str) else run.id
    return next(one for one in RunStore(home).list() if one.id == run_id)


def test_the_end_of_a_run_is_told_once_and_nothing_is_looked_at_when_none_lives(
    home: Path,
) -> None:
    living = _summary(home, "one", RunPhase.RUNNING)
    ended = _summary(home / "later", "one", RunPhase.FAILED)
    deck = _FakeDeck(runs=(living,))
    notices = Notices(deck)  # type: ignore[arg-type]
    notices.look()
    assert (len(deck.timers), deck.told) == (1, [])
    deck.runs = (ended,)
    deck.timers.pop()()
    assert deck.bells == 1
    assert deck.told == [ended_text(ended)]
    assert deck.told[0].startswith("one: failed")
    assert deck.timers == []


def test_the_end_of_the_run_that_is_seen_is_not_told(home: Path) -> None:
    living = _summary(home, "one", RunPhase.RUNNING)
    deck = _FakeDeck(runs=(living,), seen_run=living.id)
    notices = Notices(deck)  # type: ignore[arg-type]
    notices.look()
    deck.runs = (_summary(home / "later", "one", RunPhase.FAILED),)
    deck.timers.pop()()
    assert (deck.told, deck.bells) == ([], 0)


def test_the_users_command_is_executed_with_the_facts(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "tell.sh"
    script.write_text(f'#!/bin/sh\necho "$RANKDECK_NAME $RANKDECK_STATE" > {tmp_path}/told\n')
    script.chmod(0o755)
    living = _summary(home, "one", RunPhase.RUNNING)
    deck = _FakeDeck(Settings(notify_command=f"{script} now"), (living,))
    notices = Notices(deck)  # type: ignore[arg-type]
    notices.look()
    deck.runs = (_summary(home / "later", "one", RunPhase.FAILED),)
    deck.timers.pop()()
    assert (tmp_path / "told").read_text() == "one failed\n"
    deck.settings = Settings(notify_command="/nowhere/tell")
    deck.runs, notices._alive = (deck.runs[0],), frozenset({deck.runs[0].id})
    notices._again()
    assert "notify_command" in deck.told[-1]


def test_what_had_ended_before_is_not_told(home: Path) -> None:
    deck = _FakeDeck(runs=(_summary(home, "one", RunPhase.FAILED),))
    Notices(deck).look()  # type: ignore[arg-type]
    assert (deck.told, deck.timers) == ([], [])


def test_notices_can_be_turned_off(home: Path) -> None:
    deck = _FakeDeck(Settings(notify=False), (_summary(home, "one", RunPhase.RUNNING),))
    Notices(deck).look()  # type: ignore[arg-type]
    assert deck.timers == []


async def test_what_is_wrong_in_the_users_files_is_told_first(home: Path) -> None:
    from rankdeck.errors import Problem
    from rankdeck.run.store import RunStore
    from tui.deck import Deck

    store = RunStore(home)
    store.ensure()
    problem = Problem("is not a setting", file="config.yaml", line=3, key="muose [red]x[/]")
    deck = Deck(store, problems=(problem,) * 5)
    async with deck.run_test(size=(100, 30), notifications=True) as pilot:
        await until_shown(pilot, "config.yaml:3: muose [red]x[/]")
        await until_shown(pilot, "2 more")
        assert "no runs" in screen_text(deck)
