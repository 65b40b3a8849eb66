"""The last Python traceback (or crash report) in a piece of text.

Knows chained exceptions, exception groups, syntax errors, the prefixes launchers put before lines,
C++ `terminate` messages and faulthandler's stacks. Pure; the text is foreign and may be anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PREFIX = re.compile(r"\A(?:\[(?:rank|default)?\d+\]:? ?|\d+: )")
_PREFIX_STARTS = frozenset("[0123456789")
_ANSI = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
_HEADER = re.compile(r"\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):?")
_CHAINS = ("During handling of the above exception", "The above exception was the direct cause")
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?:: ?(.*))?")
_ERROR_NAME = re.compile(r"(?:[\w.]*\.)?\w*(?:Error|Exception|Interrupt|Exit|Warning|Group)")
_FRAME = re.compile(r'\s*(?:\| )?File "(.+)", line (\d+)(?:,? in (.+))?')
_FATAL = "Fatal Python error: "
_TERMINATE = re.compile(r"terminate called after throwing an instance of '(.+)'")
_LONGEST_LINE = 500
_LAST_WORDS = 50


@dataclass(frozen=True, slots=True)
class Trace:
    """One traceback or crash report."""

    lines: tuple[str, ...]
    """As printed, without launcher prefixes; a chain of exceptions is one traceback."""
    type: str
    """`ValueError`, `torch.OutOfMemoryError`; for a crash what it calls itself."""
    message: str
    """First line of the message."""
    where: str = ""
    """Innermost frame that is not part of a library, `train.py:41 in step`."""
    first_line: int = 0
    """Which of the text's lines it begins at."""
    innermost: str = ""
    """File of the innermost frame, whosever it is."""
    thrown: bool = False
    """A C++ exception that nobody caught."""
    crash: bool = False
    """Not an exception of Python's: the process died in native code."""


def last_traceback(text: str) -> Trace | None:
    """The last exception's traceback in `text`, with the exceptions it came from.

    None if there is no complete one. A crash report (`Fatal Python error`, C++ `terminate`) counts
    where no traceback comes after it.
    """
    lines = [_plain(line) for line in text.split("\n")]
    starts = [at for at, line in enumerate(lines) if _is_header(line)]
    crash = _last_crash(lines)
    for start in reversed(starts):
        end = _end_of(lines, start)
        if end is None:
            continue
        if crash is not None and crash.first_line > end:
            return crash
        first = _begin_of_chain(lines, start)
        return _trace(lines, first, end)
    return crash or _bare_syntax_error(lines)


def _plain(line: str) -> str:
    line = line.rstrip("\r")
    line = line[line.rfind("\r") + 1 :]
    line = _ANSI.sub("", line) if "\x1b" in line else line
    # most lines have no prefix, and this is asked of every line
    if line[:1] in _PREFIX_STARTS:
        line = _PREFIX.sub("", line, count=1)
    return line[:_LONGEST_LINE]


def _is_header(line: str) -> bool:
    return "Traceback (" in line and _HEADER.fullmatch(line) is not None


def _end_of(lines: list[str], start: int) -> int | None:
    """The line with the exception that ends the traceback begun at `start`."""
    indent = len(lines[start]) - len(lines[start].lstrip(" "))
    grouped = "Exception Group" in lines[start]
    for at in range(start + 1, len(lines)):
        line = lines[at]
        if not line.strip():
            continue
        body = line.strip().removeprefix("| ") if grouped else line[indent:]
        if grouped and line.lstrip().startswith("| ") and _is_exception(body):
            return at
        if not grouped and not body.startswith(" "):
            return at if _is_exception(body) else None
    return None


def _is_exception(line: str) -> bool:
    match = _EXCEPTION.fullmatch(line)
    return match is not None and not line.startswith(("File ", "Traceback"))


def _begin_of_chain(lines: list[str], start: int) -> int:
    """Where the traceback begins that led to the one at `start`."""
    while True:
        at = start - 1
        while at >= 0 and not lines[at].strip():
            at -= 1
        if at < 0 or not lines[at].strip().startswith(_CHAINS):
            return start
        earlier = next((i for i in range(at - 1, -1, -1) if _is_header(lines[i])), None)
        if earlier is None:
            return start
        start = earlier


def _trace(lines: list[str], first: int, end: int) -> Trace:
    match = _EXCEPTION.fullmatch(lines[end].strip().removeprefix("| "))
    kind, message = (match[1], match[2] or "") if match else ("", lines[end])
    last = end + 1
    # the rest of a message of several lines, up to an empty line or another printer's
    while last < len(lines) and last < end + 20 and lines[last][:1] in (" ", "\t"):
        last += 1
    body = tuple(lines[first:last])
    return Trace(body, kind, message.strip(), innermost_frame(body), first, _innermost_file(body))


def innermost_frame(lines: tuple[str, ...]) -> str:
    """`train.py:41 in step`: the innermost frame outside the libraries, else the innermost."""
    frames = [match for line in lines if (match := _FRAME.match(line))]
    own = [frame for frame in frames if not _is_library(frame[1])]
    if not frames:
        return ""
    frame = (own or frames)[-1]
    place = f"{frame[1].rsplit('/', 1)[-1]}:{frame[2]}"
    inside = f" in {frame[3]}" if frame[3] and frame[3] != "<module>" else ""
    return place + inside


def _innermost_file(lines: tuple[str, ...]) -> str:
    frames = [match[1] for line in lines if (match := _FRAME.match(line))]
    return frames[-1] if frames else ""


def _is_library(path: str) -> bool:
    return "site-packages/" in path or "/lib/python" in path or path.startswith("<")


def _last_crash(lines: list[str]) -> Trace | None:
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        if line.startswith(_FATAL):
            return _fatal_error(lines, at)
        if (thrown := _thrown(lines, at)) is not None:
            return Trace(
                tuple(lines[at : at + 12]), *thrown, first_line=at, thrown=True, crash=True
            )
    return None


def _fatal_error(lines: list[str], at: int) -> Trace:
    """Faulthandler's report, with the C++ exception that led to it if it tells of one."""
    body = _until_gap(lines, at)
    frames = tuple(reversed([line for line in body if _FRAME.match(line)]))
    where = innermost_frame(frames)
    for above in range(at - 1, max(-1, at - _LAST_WORDS), -1):
        if (thrown := _thrown(lines, above)) is not None:
            body = (*lines[above:at], *body)
            return Trace(body, *thrown, where, above, thrown=True, crash=True)
    return Trace(body, "Fatal Python error", lines[at][len(_FATAL) :], where, at, crash=True)


def _thrown(lines: list[str], at: int) -> tuple[str, str] | None:
    """Type and message of the C++ exception told of in this line."""
    if not lines[at].startswith("terminate"):
        return None
    match = _TERMINATE.match(lines[at])
    if match is None:
        return None
    what = lines[at + 1].strip() if at + 1 < len(lines) else ""
    return match[1], what.removeprefix("what():").strip() if what.startswith("what()") else ""


def _until_gap(lines: list[str], start: int) -> tuple[str, ...]:
    """A crash report: to the end of the crashed thread's stack, which comes first."""
    gaps = 0
    for at in range(start, min(len(lines), start + 60)):
        if not lines[at].strip():
            gaps += 1
            if gaps == 2:
                return tuple(lines[start:at])
    return tuple(lines[start : start + 60])


def _bare_syntax_error(lines: list[str]) -> Trace | None:
    """A syntax error in the script itself has a place but no header."""
    for at in range(len(lines) - 1, max(0, len(lines) - _LAST_WORDS), -1):
        match = _EXCEPTION.fullmatch(lines[at])
        if match is None or not _ERROR_NAME.fullmatch(match[1]):
            continue
        above = range(at - 1, max(-1, at - 5), -1)
        first = next((line for line in above if _FRAME.match(lines[line])), None)
        if first is not None:
            body = tuple(lines[first : at + 1])
            return Trace(body, match[1], match[2] or "", innermost_frame(body), first)
    return None
