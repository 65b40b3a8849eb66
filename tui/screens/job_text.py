"""The form's facts: typed text to a draft, and a preview to lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rankdeck.job.draft import JobDraft
from tui.looks import Line, safe
from tui.preview import JobPreview, read_assignments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.errors import Problem

_MAPPINGS = ("hyperparameters", "env", "backend_options")


def draft_of(texts: Mapping[str, str]) -> JobDraft:
    """What was typed, as a draft; empty text says nothing.

    Raises:
        ValueError: A list of NAME=VALUE cannot be read.
    """
    values: dict[str, Any] = {}
    for key, text in texts.items():
        name, _, entry = key.partition(".")
        if not text:
            continue
        if entry:
            values.setdefault(name, {})[entry] = text
        elif name in _MAPPINGS:
            values[name] = {**values.get(name, {}), **read_assignments(text)}
        else:
            values[name] = text
    return JobDraft(**values)


def preview_lines(preview: JobPreview) -> tuple[Line, ...]:
    """Everything that is wrong, what is different, and the plan."""
    lines: list[Line] = []
    if preview.problems:
        lines += [(("Not ready yet:", "title"),), ()]
        for problem in preview.problems:
            lines += _problem_lines(problem, "✖", "error")
        lines.append(())
    for problem in preview.warnings:
        lines += _problem_lines(problem, "!", "warning")
    if preview.changes:
        lines.append((("Different from the run before:", "title"),))
        for field, old, new in preview.changes:
            lines.append(((f"  {safe(field)}: ", "bold"), (f"{safe(old)} → {safe(new)}", "")))
        lines.append(())
    for line in preview.plan.splitlines():
        label, space, rest = line.strip().partition(" ")
        if line.startswith("  ") and label in ("cwd", "env", "run"):
            lines.append(((f"  {label}", "accent"), (space + safe(rest), "")))
        else:
            lines.append(((safe(line), "bold" if line.startswith("node ") else ""),))
    return tuple(lines)


def _problem_lines(problem: Problem, mark: str, style: str) -> list[Line]:
    lines: list[Line] = [((f"  {mark} ", style), (safe(str(problem)), style))]
    if problem.hint:
        lines.append((("    ", ""), (safe(problem.hint), "dim")))
    return lines
