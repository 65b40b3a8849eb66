"""No text of a run reaches the terminal as anything but text, in either widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.app import App

from rankdeck.logs.lines import whole_line
from tests.tui import hostile
from tui.widgets.log_lines import cell_line, safe_text
from tui.widgets.log_pane import LogPane
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.strip import Strip


class Deck(App[None]):
    def compose(self) -> ComposeResult:
        yield RankGrid()
        yield LogPane()


def assert_plain(strip: Strip, width: int) -> None:
    assert strip.text.isprintable(), ascii(strip.text)
    assert strip.cell_length == width
    assert sum(cell_len(segment.text) for segment in strip) == width


async def test_every_hostile_line_is_shown_as_text(tmp_path: Path) -> None:
    path = hostile.write_corpus(tmp_path / "log")
    app = Deck()
    async with app.run_test(size=(100, 80)) as pilot:
        pane = app.query_one(LogPane)
        pane.open(path, hostile.CORPUS[6].decode())
        pane.focus()
        for keys in ((), ("w",), ("#",), ("w",), ("right",), ("right",)):
            await pilot.press(*keys)
            pane.tick()
            shown = [pane.view.render_line(y) for y in range(pane.view.size.height)]
            for strip in shown:
                assert_plain(strip, pane.view.size.width)
        await pilot.press("left", "left")
        text = "\n".join(pane.view.render_line(y).text for y in range(pane.view.size.height))
        for told in ("[rank0]: Traceback", "[/rank3] closes", "[@click=app.bell]press me[/]"):
            assert told in text
        assert "progress 99%" in text
        assert "progress 50%" not in text
        assert "any introducers" in text
        assert app.is_running


async def test_hostile_node_names_are_shown_as_text() -> None:
    app = Deck()
    async with app.run_test(size=(100, 80)) as pilot:
        grid = app.query_one(RankGrid)
        grid.show(hostile.ranks([line.decode(errors="replace") for line in hostile.CORPUS]))
        await pilot.pause()
        shown = [grid.render_line(y) for y in range(grid.size.height)]
        for strip in shown:
            assert_plain(strip, grid.size.width)
        assert any("[/rank3] closes" in strip.text for strip in shown)


@pytest.mark.parametrize("line", hostile.CORPUS)
def test_a_line_is_as_wide_as_it_says_wherever_it_is_cut(line: bytes) -> None:
    cells = cell_line(whole_line(0, line))
    assert cells.text.isprintable()
    assert cell_len(cells.text) == cells.width
    assert safe_text(line).isprintable()
    for first in range(cells.width + 2):
        strip = cells.window(first, 7, base=Style())
        assert strip.cell_length <= 7
        assert sum(cell_len(segment.text) for segment in strip) == strip.cell_length


@pytest.fixture(scope="module")
def usual_controls(tmp_path_factory: pytest.TempPathFactory) -> set[bytes]:
    """What the app sends to a terminal of itself, with harmless text."""
    path = tmp_path_factory.mktemp("harmless") / "log"
    path.write_bytes(b"harmless line\n" * 20 + hostile.END + b"\n")
    outputs = [hostile.raw_output(kind, path) for kind in ("log", "grid", "leak")]
    assert all(b"harmless" in output for output in outputs)
    found: set[bytes] = set().union(*map(hostile.controls, outputs))
    assert not any(b"]52" in control or b"]0;" in control for control in found)
    assert b"\x1b[2J" not in found
    return found


@pytest.mark.parametrize("kind", ["log", "grid"])
def test_a_real_terminal_is_given_no_control_sequence_of_the_text(
    kind: str, tmp_path: Path, usual_controls: set[bytes]
) -> None:
    output = hostile.raw_output(kind, hostile.write_corpus(tmp_path / "log"))
    assert hostile.END in output
    assert b"[/rank3] closes" in output
    assert hostile.controls(output) - usual_controls == set()


def test_the_checker_catches_a_widget_that_leaks(
    tmp_path: Path, usual_controls: set[bytes]
) -> None:
    output = hostile.raw_output("leak", hostile.write_corpus(tmp_path / "log"))
    leaked = hostile.controls(output) - usual_controls
    assert {b"\x1b[2J", b"\x1b]52;c;cm0gLXJmIH4=\x07", b"\x1b]0;owned\x07", b"\x1bc"} <= leaked
