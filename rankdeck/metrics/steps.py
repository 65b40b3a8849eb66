"""Which step a line tells of: step, iteration, epoch and batch, progress bars. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from rankdeck.metrics import words

_WHOLE = r"(\d[\d,]*)(?![\d.]*\d|[\w%])"
_OF = r"(?:\s*(?:/|of)\s*(\d[\d,]*))?"
_GLOBAL = re.compile(
    r"(?<![A-Za-z_-])(?:global[_ ]?step|num_updates|train(?:er)?/global_step|optimi[sz]er[_ ]step)"
    rf"[\"']?[ =:/\[(#]*{_WHOLE}{_OF}",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?<![A-Za-z_/-])(?:train(?:ing)?[_ /])?(?:step|iter(?:ation)?|update)(?:\(\w+\))?"
    rf"[\"']?[ =:/\[(#]*{_WHOLE}{_OF}",
    re.IGNORECASE,
)
_BATCH = re.compile(
    rf"(?<![A-Za-z_/-])(?:mini[- _]?)?batch[\"']?[ =:\[(#]*{_WHOLE}\s*(?:/|of)\s*(\d[\d,]*)",
    re.IGNORECASE,
)
_EPOCH = re.compile(
    r"(?<![A-Za-z_/-])epoch(?:\s*\(\w+\))?[\"']?\s*[=:#]?\s*\[?\s*(\d+)(?![\d.]*\d)"
    r"(?:\s*/\s*(\d+))?\s*\]?",
    re.IGNORECASE,
)
_IN_EPOCH = re.compile(r"[\s,:|\-]{0,6}[\[(]?\s*(\d+)\s*/\s*(\d+)(?!\d)")
_BAR = re.compile(r"(\d+)/(\d+) \[\d*\d:\d\d|(\d+)/(\d+) \[[=>.]+\]|^\s*(\d+)/(\d+) \u2501")
_BARS = ("<", "[=", "[>", "\u2501")
_SIDE = re.compile(
    r"(?<![A-Za-z0-9_/.-])(val|eval|test)"
    r"(?:id(?:ation|ating)?|uation|uating|ing)?(?![\w./-])\W{0,3}\s*([A-Za-z_]*)",
    re.IGNORECASE,
)
_BARE = re.compile(r"\W*\[\s*(\d+)\s*/\s*(\d+)\s*\]")
_TRAINS = re.compile(r"epoch|train|step|iter|^\W*$", re.IGNORECASE)
_Span = tuple[int, int]


class Step(NamedTuple):
    """Where a line says which step it tells of."""

    number: int | None
    total: int | None
    epoch: int | None
    within: bool
    """Whether number and total count anew in every epoch, for certain."""
    side: str
    """`val`, `eval` or `test` where it is not a step of the training."""
    foreign: bool
    """Whether it is a progress bar of something else: a download, a conversion."""
    bar: bool
    """Whether it is a progress bar."""
    begin: int
    end: int
    """The text that tells the step, so that its numbers are not taken for others."""
    spans: tuple[_Span | None, _Span | None, _Span | None]
    """Where the digits of number, total and epoch are."""


def find_step(line: str) -> Step | None:
    """The step that the line tells; None: it tells none."""
    lower = line.lower()
    epoch = _EPOCH.search(line) if "epoch" in lower else None
    bar = _BAR.search(line) if "/" in line and any(sign in line for sign in _BARS) else None
    if bar is not None:
        groups = next(i for i in (1, 3, 5) if bar[i])
        return _bar(line, bar, groups, epoch)
    found = None
    if "step" in lower or "iter" in lower or "update" in lower:
        found = _GLOBAL.search(line) or _STEP.search(line)
    if found is None and epoch is not None:
        inside = _IN_EPOCH.match(line, epoch.end())
        if inside is not None:
            return _make(line, inside, 1, epoch, within=True)
    if found is None and "batch" in lower:
        found = _BATCH.search(line)
        if found is not None and epoch is not None:
            return _make(line, found, 1, epoch, within=True)
    if found is not None:
        return _make(line, found, 1, epoch, within=False)
    if epoch is None:
        return None
    side = _side(line, epoch.start())
    number = _whole(epoch[1])
    spans = (None, None, epoch.span(1))
    return Step(None, None, number, False, side, False, False, 0, 0, spans)


def find_bare_step(line: str) -> Step | None:
    """`[100/1000]` at the begin of a line that tells numbers; other lines count other things so."""
    match = _BARE.match(line)
    return None if match is None else _make(line, match, 1, None, within=False)


def _bar(line: str, bar: re.Match[str], first: int, epoch: re.Match[str] | None) -> Step:
    before = epoch if epoch is not None and epoch.start() < bar.start() else None
    step = _make(line, bar, first, before, within=before is not None)
    title = re.split(r"\d+%\||\d+it|\d+/\d+", line, maxsplit=1)[0]
    # a logger's words may stand before the bar
    title = re.sub(r"\[[^\]]*\]|\d", "", title).strip(" :|")
    foreign = before is None and not step.side and _TRAINS.search(title) is None
    return step._replace(foreign=foreign, bar=True)


def _make(
    line: str, match: re.Match[str], first: int, epoch: re.Match[str] | None, *, within: bool
) -> Step:
    total = match[first + 1]
    return Step(
        number=_whole(match[first]),
        total=_whole(total) if total else None,
        epoch=_whole(epoch[1]) if epoch else None,
        within=within,
        side=_side(line, match.start(first)),
        foreign=False,
        bar=False,
        begin=match.start(first),
        end=match.end(),
        spans=(
            match.span(first),
            match.span(first + 1) if total else None,
            epoch.span(1) if epoch else None,
        ),
    )


def _side(line: str, before: int) -> str:
    for match in _SIDE.finditer(line, 0, before):
        # `val loss 0.3 step 5` is a line of the training
        if not words.known(match[2] or "-"):
            return match[1].lower()
    return ""


def _whole(digits: str) -> int:
    return int(digits.replace(",", "")[:18])
