"""CurvesState: what is looked at and how; what the keys of the curves change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tui.widgets.curves_chart import Curve, Shapes, View, extent, nearest
from tui.widgets.curves_layout import HOWS, Grid, curves_of, metrics_of

if TYPE_CHECKING:
    from rankdeck.metrics.series import Series
    from tui.widgets.curves_source import Picture

WEIGHTS = (0.0, 0.6, 0.9, 0.98)
ALERTS, RUNS = "alerts", "runs"


@dataclass(slots=True)
class CurvesState:
    """Everything that decides what the pane shows, besides its size."""

    pictures: list[tuple[str, Picture]] = field(default_factory=list)
    """Each run's name and what is known of it; the pane's own run is the first."""
    chosen: tuple[str, ...] = ()
    """The ids of those runs."""
    numbers: tuple[int, ...] = ()
    """Their numbers, which decide letters, colours and dashes."""
    runs: tuple[tuple[str, str], ...] = ()
    """Id and name of the runs that can be laid over."""
    view: View = field(default_factory=View)
    how: str = HOWS[0]
    filter: str = ""
    metric: str = ""
    alone: bool = False
    """Whether one chart is seen instead of all."""
    list: str = ""
    """Which list is seen instead: `ALERTS`, `RUNS`, or none."""
    row: int = 0
    metrics: tuple[str, ...] = ()
    grid: Grid = field(default_factory=lambda: Grid(1, 1, 1, 1))
    seen: tuple[float, float] = (0.0, 1.0)
    """The part of the axis that one chart shows."""
    cells: int = 80
    """How wide its plot is."""
    shapes: Shapes = field(default_factory=Shapes)
    joined: dict[object, Series] = field(default_factory=dict)

    @property
    def selected(self) -> int:
        """Which of the metrics is selected."""
        return self.metrics.index(self.metric) if self.metric in self.metrics else 0

    @property
    def rows(self) -> int:
        """How many rows the list has."""
        if self.list == RUNS:
            return len(self.runs)
        if not self.pictures:
            return 0
        picture = self.pictures[0][1]
        return len(picture.alerts) + len(picture.problems)

    @property
    def deep(self) -> bool:
        """Whether there is something to go back from."""
        return bool(self.list or self.alone or self.filter or len(self.chosen) > 1)

    def settle(self) -> None:
        """Choose among what there is now."""
        self.metrics = metrics_of([picture for _, picture in self.pictures], self.filter)
        if self.metrics and self.metric not in self.metrics:
            self.metric = self.metrics[0]
        self.row = max(0, min(self.row, self.rows - 1))

    def curves(self, metric: str | None = None) -> tuple[Curve, ...]:
        """The curves of a metric; of the selected one if none is named."""
        name = self.metric if metric is None else metric
        return curves_of(name, self.pictures, self.numbers, self.how, self.joined)

    def move(self, dx: int, dy: int) -> None:
        """Go to another chart, metric, value or row."""
        if self.list:
            self.row = max(0, min(self.row + dy, self.rows - 1))
        elif self.alone and dx:
            self._inspect(dx)
        elif self.metrics:
            at = self.selected + (dy if self.alone else dx + dy * self.grid.columns)
            if 0 <= at < len(self.metrics):
                self.metric = self.metrics[at]

    def edge(self, side: int) -> None:
        """Go to the first or last value, chart or row."""
        if self.list:
            self.row = 0 if side < 0 else self.rows - 1
        elif self.alone:
            self.view = replace(self.view, cursor=self.seen[0 if side < 0 else 1])
        elif self.metrics:
            self.metric = self.metrics[0 if side < 0 else -1]

    def pan(self, side: int) -> None:
        """Move the part that is seen by a quarter; among charts and rows, go there."""
        if not self.alone or self.list:
            self.move(side, 0)
            return
        if self.view.left is None:
            return
        left, right = self.seen
        first, last = extent(self.curves(), self.view, self.shapes)
        by = max(first - left, min(last - right, side * (right - left) / 4))
        self.view = replace(self.view, left=left + by, right=right + by)

    def zoom(self, way: int) -> None:
        """See half of the axis around the cursor (else its end), or twice as much."""
        curves = self.curves() if self.metric else ()
        if not curves or self.list:
            return
        first, last = extent(curves, self.view, self.shapes)
        left = first if self.view.left is None else self.view.left
        right = last if self.view.right is None else self.view.right
        cursor = self.view.cursor
        middle = cursor if cursor is not None and left <= cursor <= right else right
        factor = 0.5 if way > 0 else 2.0
        new_left = max(first, middle - (middle - left) * factor)
        new_right = min(last, middle + (right - middle) * factor)
        if new_right - new_left < (last - first) / 1e6:
            return
        if new_left <= first and new_right >= last:
            self.view = replace(self.view, left=None, right=None)
        else:
            self.view = replace(self.view, left=new_left, right=new_right)

    def reset(self) -> None:
        """See everything, without cursor."""
        self.view = replace(self.view, left=None, right=None, cursor=None)

    def open(self) -> None:
        """One chart alone; in a list, what is under its cursor."""
        if self.list == ALERTS:
            newest_first = self.pictures[0][1].alerts[::-1]
            if self.row < len(newest_first):
                alert = newest_first[self.row]
                if alert.metric in self.metrics and alert.step is not None:
                    self.metric, self.alone = alert.metric, True
                    self.view = replace(
                        self.view, cursor=alert.step, by_time=False, left=None, right=None
                    )
        elif not self.list and self.metrics:
            self.alone = True
        self.list = ""

    def back(self) -> bool:
        """One step back; False: only the runs that are laid over are left to go."""
        if self.list:
            self.list = ""
        elif self.alone and self.view.cursor is not None:
            self.view = replace(self.view, cursor=None)
        elif self.alone:
            self.alone = False
        elif self.filter:
            self.filter = ""
        else:
            return False
        return True

    def smooth(self) -> None:
        """The next weight of the moving average."""
        at = WEIGHTS.index(self.view.weight)
        self.view = replace(self.view, weight=WEIGHTS[(at + 1) % len(WEIGHTS)])

    def turn(self) -> None:
        """Over steps or over time; what was zoomed into is no place on the other axis."""
        self.view = replace(
            self.view, by_time=not self.view.by_time, left=None, right=None, cursor=None
        )

    def merge(self) -> None:
        """The next thing to become of several ranks."""
        self.how = HOWS[(HOWS.index(self.how) + 1) % len(HOWS)]

    def show_list(self, name: str) -> None:
        """Show a list, or no longer."""
        self.list = "" if self.list == name else name
        self.row = 0

    def _inspect(self, side: int) -> None:
        """Move the cursor to a point that is about a cell away, or to the next one."""
        curves = self.curves()
        left, right = self.seen
        cursor = self.view.cursor
        if cursor is None:
            at = right if side < 0 else left
        else:
            at = cursor + side * (right - left) / max(1, self.cells)
        at = max(left, min(right, at))
        near = None
        if curves:
            near = nearest(curves[0], replace(self.view, cursor=at), self.shapes)
        if near is not None:
            at, index = near
            xs = self.shapes.places(curves[0], self.view.by_time)
            while cursor is not None and (at - cursor) * side <= 0 and 0 <= index + side < len(xs):
                index += side
                at = xs[index]
        self.view = replace(self.view, cursor=max(left, min(right, at)))
