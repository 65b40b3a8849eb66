"""Steps and numbers in a rank's last lines. Pure; costs the same for every log."""

from __future__ import annotations

import math
import re

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?"
_STEP = re.compile(
    r"(?<![a-z_/-])(?:global[_ ]?)?(?:step|iter(?:ation)?)[\"']?[ =:/\[(]*"
    r"(\d[\d,]*)(?![\d.]*\d)(?:\s*(?:/|of)\s*(\d[\d,]*))?",
    re.IGNORECASE,
)
_BAR = re.compile(r"\d%\|[^|]*\| *(\d+)/(\d+) \[")
_KEYS = (
    r"(?:(?:train|training|val|valid|eval|test)[_/ ])?(?:loss|acc(?:uracy)?|ppl|perplexity)"
    r"|lr|learning[_ ]rate|grad[_ ]norm|gnorm|mfu|tflops|throughput"
    r"|(?:tok(?:en)?s?|samples?|it|img|steps?)(?:/s(?:ec)?|_per_sec(?:ond)?)"
)
_METRIC = re.compile(
    rf"(?<![a-z0-9_/])({_KEYS})[\"']?\s*[=: ]\s*({_NUMBER})([km]?)(?![\w.])", re.IGNORECASE
)
_LINE_END = re.compile(rb"[\r\n]")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6}
_MOST_LINES = 12
_MOST_METRICS = 16


class Progress:
    """What one progress line says."""

    __slots__ = ("metrics", "step", "total")

    def __init__(self, step: int, total: int | None, metrics: dict[str, float]) -> None:
        self.step = step
        self.total = total
        self.metrics = metrics


def last_lines(tail: bytes) -> list[str]:
    """The last lines of a log's tail that are not blank, newest first."""
    lines = []
    for line in reversed(_LINE_END.split(tail)):
        text = line.decode("utf-8", "replace")
        if text.strip():
            lines.append(text)
            if len(lines) == _MOST_LINES:
                break
    return lines


def find_progress(lines: list[str]) -> Progress | None:
    """The newest line that tells a step, with its numbers; None: no line does."""
    for line in lines:
        found = _STEP.search(line) or _BAR.search(line)
        if found:
            total = _whole(found.group(2)) if found.group(2) else None
            return Progress(_whole(found.group(1)), total, find_metrics(line))
    return None


def find_metrics(line: str) -> dict[str, float]:
    """Well-known numbers of one line; infinite and undefined ones are left out."""
    metrics: dict[str, float] = {}
    for key, number, scale in _METRIC.findall(line):
        value = float(number) * _SCALES[scale.lower()]
        if math.isfinite(value) and len(metrics) < _MOST_METRICS:
            metrics[key.lower()] = value
    return metrics


def _whole(digits: str) -> int:
    return int(digits.replace(",", "")[:18])
