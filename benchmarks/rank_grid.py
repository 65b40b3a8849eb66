"""The grid of ranks with 4,096 of them: first paint and update, beside a floor.

The floor is the same number of glyphs in one Line-API widget that keeps nothing apart: what the
library itself needs to put them on a screen of this size.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report, interleave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot
    from textual.widget import Widget

    from rankdeck.run.view import RankView

_RANKS = 4096
_PER_NODE = 8
_SIZE = (200, 60)
_SMALL = (80, 24)
_PAINT = 150.0
_UPDATE = 30.0
_UPDATES = 20
_MODES = ("state", "step lag", "last line", "load")


def _ranks(step: int) -> tuple[RankView, ...]:
    from rankdeck.run.node_state import RankState
    from rankdeck.run.view import RankView

    log = Path("/nonexistent")
    return tuple(
        RankView(
            rank=rank,
            node=f"node{rank // _PER_NODE:03d}",
            local_rank=rank % _PER_NODE,
            # one rank in sixteen is in another state than at the step before
            state=RankState.OUTPUT if (rank + step) % 16 == 0 else RankState.STEPPING,
            log=log,
            step=100 + step,
            last_output=float(step),
            cpu_percent=float((rank * 7 + step) % 100),
        )
        for rank in range(_RANKS)
    )


def _in_app(
    make: Callable[[], Widget],
    size: tuple[int, int],
    act: Callable[[Widget, Pilot[None]], Awaitable[float]],
) -> float:
    from textual.app import App, ComposeResult

    class Bare(App[None]):
        def compose(self) -> ComposeResult:
            yield make()

    async def run() -> float:
        app = Bare()
        async with app.run_test(size=size) as pilot:
            widget = app.screen.children[-1]
            await pilot.pause()
            return await act(widget, pilot)

    return asyncio.run(run())


def _first_paint(size: tuple[int, int]) -> float:
    from tui.widgets.rank_grid import RankGrid

    ranks = _ranks(0)

    async def act(widget: Widget, pilot: Pilot[None]) -> float:
        assert isinstance(widget, RankGrid)
        start = time.perf_counter()
        widget.show(ranks, {}, 0.0)
        for y in range(widget.size.height):
            widget.render_line(y)
        return 1000 * (time.perf_counter() - start)

    return _in_app(RankGrid, size, act)


def _update(mode_keys: int) -> float:
    """Milliseconds for one update in which one rank in eight looks different."""
    from tui.widgets.rank_grid import RankGrid

    facts = [_ranks(step) for step in range(_UPDATES + 1)]

    async def act(widget: Widget, pilot: Pilot[None]) -> float:
        assert isinstance(widget, RankGrid)
        widget.focus()
        for _ in range(mode_keys):
            widget.action_mode()
        widget.show(facts[0], {}, 0.0)
        await pilot.pause()
        start = time.perf_counter()
        for step in range(1, _UPDATES + 1):
            widget.show(facts[step], {}, float(step))
            for y in range(widget.size.height):
                widget.render_line(y)
        return 1000 * (time.perf_counter() - start) / _UPDATES

    return _in_app(RankGrid, _SIZE, act)


def _floor() -> float:
    """Milliseconds to draw as many glyphs as fit, each line one segment."""
    from rich.segment import Segment
    from textual.scroll_view import ScrollView
    from textual.strip import Strip

    class Floor(ScrollView):
        def render_line(self, y: int) -> Strip:
            return Strip([Segment("■" * self.size.width, self.rich_style)])

    async def act(widget: Widget, pilot: Pilot[None]) -> float:
        start = time.perf_counter()
        for y in range(widget.size.height):
            widget.render_line(y)
        return 1000 * (time.perf_counter() - start)

    return _in_app(Floor, _SIZE, act)


def measure(repeats: int) -> Report:
    """Show and update 4,096 ranks."""
    from tui.environment import prepare_environment

    prepare_environment(os.environ)
    wide, small, floor = "first paint, 200x60", "first paint, 80x24", "floor: glyphs alone, 200x60"
    updates = {f"update by {name}": keys for keys, name in enumerate(_MODES)}
    samples = interleave(
        {
            wide: lambda: _first_paint(_SIZE),
            small: lambda: _first_paint(_SMALL),
            **{name: lambda keys=keys: _update(keys) for name, keys in updates.items()},
            floor: _floor,
        },
        repeats,
    )

    def middle(name: str) -> float:
        return sorted(samples[name])[len(samples[name]) // 2]

    return Report(
        title=f"grid of {_RANKS:,} ranks on {_RANKS // _PER_NODE} nodes",
        figures=samples,
        unit="ms",
        goals=[
            Goal("first paint after data, 200x60", middle(wide), _PAINT, unit="ms"),
            Goal("first paint after data, 80x24", middle(small), _PAINT, unit="ms"),
            *(Goal(name, middle(name), _UPDATE, unit="ms") for name in updates),
        ],
        remarks=["an update changes one rank in eight, and every row of the screen with it"],
    )
