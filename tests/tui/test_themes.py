from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from rankdeck.run.state import RunPhase
from tests.tui.fake_run import write_run
from tests.tui.pilot import make_deck, screen_text, until, until_shown
from tests.tui.terminal import Terminal
from tui.looks import STYLES, use_colours
from tui.themes import DEFAULT, MONOCHROME, OWN, Colourless, apply_theme, theme_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.theme import Theme

_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def own_colours() -> Iterator[None]:
    yield
    use_colours({})


def _contrast(one: Color, other: Color) -> float:
    def light(colour: Color) -> float:
        parts = [part / 255 for part in (colour.r, colour.g, colour.b)]
        red, green, blue = (
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_there_are_ours_and_all_of_textual() -> None:
    assert theme_names()[0] == DEFAULT
    assert {"light", "colour-blind", "high-contrast", MONOCHROME} < set(theme_names())
    assert set(BUILTIN_THEMES) < set(theme_names())
    assert len(set(theme_names())) == len(theme_names())


@pytest.mark.parametrize("theme", OWN, ids=lambda theme: theme.name)
def test_what_is_written_in_a_state_s_colour_can_be_read(theme: Theme) -> None:
    grounds = [Color.parse(ground) for ground in (theme.background, theme.surface, theme.panel)]
    least = 7.0 if theme.name == "high-contrast" else 4.5
    for role in ("success", "warning", "error", "accent", "foreground"):
        colour = Color.parse(getattr(theme, role))
        assert min(_contrast(colour, ground) for ground in grounds) >= least, role
    # the row under the cursor
    white, black = Color.parse("#ffffff"), Color.parse("#000000")
    primary = Color.parse(theme.primary)
    assert max(_contrast(primary, white), _contrast(primary, black)) >= 4.5


@pytest.mark.parametrize("name", theme_names())
def test_every_theme_colours_every_style(name: str) -> None:
    theme = next((own for own in OWN if own.name == name), None) or BUILTIN_THEMES[name]
    before = set(STYLES)
    apply_theme(theme)
    assert set(STYLES) == before
    assert STYLES["failed"].color is not None
    assert STYLES["failed"].color == STYLES["error"].color
    assert STYLES["running"].color == STYLES["good"].color


async def test_states_follow_the_theme_and_are_told_without_it(home: Path) -> None:
    write_run(home, "one", RunPhase.FAILED)
    write_run(home, "two", RunPhase.SUCCEEDED)
    deck = make_deck(home)
    async with deck.run_test(size=(100, 24)) as pilot:
        await until_shown(pilot, "one")
        for theme in ("light", "colour-blind", MONOCHROME, "nord", "no such theme"):
            deck.use_theme(theme)
            await pilot.pause()
            text = screen_text(deck)
            assert "✖ failed" in text
            assert "✔ succeeded" in text
        assert deck.theme == DEFAULT


async def test_the_pane_with_the_keys_is_told_without_colour(home: Path) -> None:
    deck = make_deck(home, write_run(home, "good"))
    async with deck.run_test(size=(120, 40)) as pilot:
        deck.use_theme(MONOCHROME)
        await until_shown(pilot, "4 exited")

        def reversed_titles() -> list[str]:
            strips = deck.screen._compositor.render_strips()
            shown = [segment for strip in strips for segment in strip if segment.style is not None]
            titles = [each for each in shown if re.fullmatch(r"\d \w+", each.text)]
            return [each.text for each in titles if each.style is not None and each.style.reverse]

        await until(pilot, lambda: reversed_titles() == ["1 ranks"])
        await pilot.press("5")
        await until(pilot, lambda: reversed_titles() == ["5 events"])


def test_without_colours_a_bright_ground_is_shown_in_reverse() -> None:
    segments = [
        Segment("a", Style.parse("bold #ff0000 on #ffffff")),
        Segment("b", Style.parse("dim green on #101010")),
        Segment("c"),
    ]
    done = Colourless().apply(segments, Color.parse("#000000"))
    assert [segment.text for segment in done] == ["a", "b", "c"]
    assert (done[0].style, done[1].style) == (Style(bold=True, reverse=True), Style(dim=True))


@pytest.mark.parametrize("way", ["NO_COLOR", "theme"])
def test_without_colour_no_colour_is_sent_and_states_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    if way == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("RANKDECK_THEME", "nord")
    else:
        monkeypatch.setenv("RANKDECK_THEME", MONOCHROME)
    home = tmp_path / "home"
    write_run(home, "one", RunPhase.FAILED)
    terminal = Terminal(home)
    try:
        terminal.read_until("✖ failed".encode())
        terminal.write(b"\x10theme\x1b")
        terminal.drain()
        terminal.write(b"?")
        terminal.drain()
        codes = {
            code
            for sequence in _COLOURS.findall(terminal.text)
            for code in re.findall(rb"\d+", sequence)
        }
        assert b"7" in codes, "the cursor is shown in reverse"
        assert not {code for code in codes if int(code) >= 30}
    finally:
        terminal.close()


def test_with_colour_colours_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    home = tmp_path / "home"
    write_run(home, "one", RunPhase.FAILED, age=90.0)
    write_run(home, "two", RunPhase.FAILED)
    terminal = Terminal(home)
    try:
        terminal.read_until(b"one")
        terminal.drain()
        assert b"38;2;239;104;111" in terminal.text, "the colour of what failed"
    finally:
        terminal.close()
