"""A kept file as it is shown: what is wrong with it, then its lines. Pure but for reading it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from tui.looks import Line, Piece, safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.library.shelf import Kept

_MOST_LINES = 2000
_MOST_BYTES = 1 << 20


def file_lines(kept: Kept, text: str, error: UserError | None = None) -> tuple[Line, ...]:
    """A file as it is shown: what is wrong with it, then its lines, wrong ones marked."""
    lines: list[Line] = [((safe(kept.path), "dim"),)]
    wrong = {problem.line for problem in kept.problems}
    for problem in kept.problems:
        where = f"line {problem.line}: " if problem.line else ""
        key = f"{problem.key}: " if problem.key else ""
        lines.append((("✖ ", "error"), (safe(f"{where}{key}{problem.message}"), "error")))
        if problem.hint:
            lines.append(((f"  {safe(problem.hint)}", "dim"),))
    if error is not None:
        lines.append(((safe(error.message), "error"),))
    lines.append(())
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], 1):
        style = "dim" if line.lstrip().startswith("#") else ""
        mark: Piece = ("✖ ", "error") if number in wrong else ("  ", "")
        lines.append((mark, (safe(line), style)))
    return tuple(lines)


def shared_cells(kept: Kept, widths: Mapping[str, int]) -> dict[str, Piece]:
    """What a row says of a file of any kind: name, backend, and what is wrong or what it is for."""
    about: Piece = (safe(kept.description), "dim")
    if kept.problems:
        first = kept.problems[0]
        where = f"line {first.line}: " if first.line else ""
        key = f"{first.key} " if first.key else ""
        about = (safe(f"✖ {where}{key}{first.message}"), "error")
    mark = "✖ " if kept.broken and "about" not in widths else ""
    return {
        "name": (safe(mark + kept.name), "error" if kept.broken else "bold"),
        "backend": (safe(kept.draft.backend or "–"), ""),
        "about": about,
    }


def text_of(kept: Kept) -> str:
    """The file's text; blocks. Raises UserError or OSError where it cannot be read."""
    path = Path(kept.path)
    if not path.is_file():
        raise UserError(f"{path} is not a regular file")
    return path.read_bytes()[:_MOST_BYTES].decode("utf-8", "replace")
