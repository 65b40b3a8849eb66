"""The hostile corpus in every mode of a log pane, alone and among ranks: it stays text."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rich.cells import cell_len

from rankdeck.logs.sources import rank_logs
from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from tests.tui import hostile
from tests.tui.fake_run import NOW, write_run
from tests.tui.log_desk import Deck, Desk
from tui.widgets import log_pane

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_MODES = (
    ("w",),
    ("t", "#"),
    ("w", "right", "right"),
    ("v", "k", "k", "k"),
    ("escape", "b", "t"),
    ("m",),
    ("w",),
    ("x",),
    ("x", "v", "k"),
    ("escape", "X"),
    ("X", "t"),
    ("m",),
)


def assert_plain(desk: Desk) -> None:
    view = desk.pane.view
    for y in range(view.size.height):
        strip = view.render_line(y)
        assert strip.text.isprintable(), ascii(strip.text)
        assert strip.cell_length == view.size.width
        assert sum(cell_len(segment.text) for segment in strip) == view.size.width
    assert desk.pane.status.isprintable()
    assert all(text.isprintable() for line in desk.pane._line.lines for text, _ in line)


async def test_every_mode(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(log_pane, "copy", lambda _, text, what: copied.append(text))
    run = RunDir(home / "runs" / write_run(home, "job", RunPhase.RUNNING, ranks=3))
    for log in rank_logs(run, 0):
        hostile.write_corpus(log.path)
        pair = struct.pack("<dQ", NOW + log.rank / 10, log.path.stat().st_size)
        log.times.write_bytes(pair)
    app = Deck()
    async with app.run_test(size=(90, 100)) as pilot:
        path = rank_logs(run, 0)[1].path
        desk = Desk(app, pilot, path)
        title = hostile.CORPUS[6].decode()
        desk.pane.open(path, title, run=run, attempt=0, rank=1)
        desk.pane.focus()
        await desk.tick()
        for keys in _MODES:
            await desk.press(*keys)
            await desk.tick()
            assert desk.pane.view.page.rows or "X" in keys or "t" in keys
            assert_plain(desk)
        for number in range(0, len(hostile.CORPUS), 4):
            text = hostile.CORPUS[number].decode(errors="replace").replace("\0", "")
            desk.pane.goto_text(text)
            await desk.settle()
            assert_plain(desk)
            await desk.enter("&", f"!{text}")
            assert_plain(desk)
            await desk.enter("&", "")
        await desk.press("g", "v", "G", "y")
        assert copied
        assert all(line.replace("\t", "").isprintable() for line in copied[0].split("\n"))
