"""What many ranks did alike stands in one row, and the pane of events shows its end first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.app import App

from rankdeck.run.eventlog import EventLog
from rankdeck.run.events import Event, EventKind
from rankdeck.run.layout import RunDir
from tests.tui.fake_run import NOW, write_run
from tests.tui.pilot import SMALL, make_deck, screen_text, until, until_shown
from tui.event_rows import EventRow, EventRows
from tui.screens.run_events import EventsPane

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult


def started(seq: int, rank: int, at: float = 0.0, state: str = "spawned") -> Event:
    return Event(seq=seq, t=NOW + at, kind=EventKind.RANK, rank=rank, node="n1", state=state)


def whats(rows: EventRows) -> list[tuple[str, str, str]]:
    return [(row.columns()[2], row.columns()[3], row.columns()[4]) for row in rows.rows]


def test_what_ranks_do_alike_is_one_row_though_it_comes_mixed() -> None:
    rows = EventRows()
    rows.add([Event(seq=1, t=NOW, kind=EventKind.CREATED)])
    for rank in range(4):
        rows.add([started(2 + 2 * rank, rank), started(3 + 2 * rank, rank, 0.1, "rendezvous")])
    assert whats(rows)[1:] == [("rank 0-3", "spawned", "×4"), ("rank 0-3", "rendezvous", "×4")]
    assert rows.rows[1].key == "2"
    rows.add([started(20, 4, 4.0)])
    assert whats(rows)[1] == ("rank 0-4", "spawned", "×5")
    rows.add([started(21, 5, 60.0)])
    assert whats(rows)[3] == ("rank 5", "spawned", "")


def test_nodes_are_named_in_short_and_what_differs_stands_alone() -> None:
    rows = EventRows()
    rows.add(
        Event(seq=n, t=NOW, kind=EventKind.AGENT, node=f"node{n:02}", state="placed")
        for n in range(1, 9)
    )
    rows.add([started(20, 1, state="failed"), started(21, 2, state="failed")])
    rows.add([Event(seq=22, t=NOW, kind=EventKind.NOTE, message="a")] * 2)
    assert [row.columns()[2] for row in rows.rows] == ["node[01-08]", "rank 1-2", "", ""]
    assert [row.bad for row in rows.rows] == [False, True, False, False]


def test_every_event_has_a_row_where_nothing_is_folded() -> None:
    rows = EventRows(folded=False)
    rows.add(started(seq, seq) for seq in range(5))
    assert rows.rows == tuple(EventRow((started(seq, seq),)) for seq in range(5))


async def test_events_are_seen_at_their_end_unfolded_and_by_trouble(home: Path) -> None:
    run_id = write_run(home, "many", ranks=4)
    log = EventLog(RunDir(home / "runs" / run_id).events)
    log.append([started(3 + n, n % 4, 10.0 * n, f"state-{n}") for n in range(40)])
    log.append([started(43, 1, 900, "failed"), started(44, 2, 900, "failed")])
    log.append([Event(seq=45, t=NOW + 950, kind=EventKind.NOTE, message="the very last")])
    log.close()
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "4 exited")
        await pilot.press("5")
        await until_shown(pilot, "5 events · 45, in 44 rows")
        lines = screen_text(deck).splitlines()
        assert any("the very last" in line and "note" in line for line in lines)
        assert any("rank 1-2" in line and "×2" in line for line in lines)
        await pilot.press("x")
        await until_shown(pilot, "5 events · 45 ")
        pane = deck.screen.query_one(EventsPane)
        assert len(pane.table.rows) == 45
        assert pane.selected is not None
        assert pane.selected.seq == 45
        await pilot.press("x", "E")
        await until(pilot, lambda: pane.selected is not None and pane.selected.seq == 43)
        await pilot.press("E")
        await until_shown(pilot, "no more trouble this way")
        # nothing can be done to several events, nor are they sorted
        await pilot.press("space", "greater_than_sign")
        await pilot.pause()
        assert pane.table.marked == ()
        assert deck.screen.body.wanted.top  # type: ignore[attr-defined]


class Pane(App[None]):
    def compose(self) -> ComposeResult:
        yield EventsPane()


async def test_the_end_is_followed_until_the_cursor_is_moved_away() -> None:
    app = Pane()
    async with app.run_test(size=(100, 12)) as pilot:
        pane = app.query_one(EventsPane)

        async def come(count: int) -> int:
            """So many events are there; the number of the one under the cursor."""
            pane.show([started(n, n, state=f"state-{n}") for n in range(1, count + 1)], NOW)
            await pilot.pause()
            assert pane.selected is not None
            return pane.selected.seq

        pane.table.focus()
        assert [await come(30), await come(40)] == [30, 40]
        await pilot.press("home")
        assert await come(50) == 1
        await pilot.press("end")
        assert await come(60) == 60


async def test_all_of_what_is_under_the_cursor_is_told() -> None:
    app = Pane()
    async with app.run_test(size=(100, 12)) as pilot:
        pane = app.query_one(EventsPane)
        told = Event(seq=9, t=NOW, kind=EventKind.PROBLEM, message="disk full", hint="free some")
        pane.show([started(1, 0), started(2, 1, 4.0), told], NOW)
        await pilot.pause()
        day, clock, later = (
            time.strftime(text, time.localtime(NOW + after))
            for text, after in (("%Y-%m-%d", 0), ("%H:%M:%S", 0), ("%H:%M:%S", 4))
        )
        pane.table.focus()
        assert f"{day} {clock} disk full · try: free some" in screen_text(app).splitlines()[-1]
        await pilot.press("home")
        line = screen_text(app).splitlines()[-1].strip()
        assert line == f"{day} {clock} – {later} rank 0-1 spawned"
