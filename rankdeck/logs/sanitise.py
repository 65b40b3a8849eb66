"""Foreign text made safe for a terminal, once, at the reader's border.

`clean` leaves printable characters and tabs, nothing that moves a cursor, sets a title, writes a
clipboard, reorders or hides text. `styled_spans` does the same and keeps the colours, as data.
Neither knows a terminal library; how wide a character is, is not decided here.
"""

from __future__ import annotations

import re
import unicodedata

from rankdeck.logs.style import PLAIN, Span, Style, StyledText, apply_sgr

_ESCAPE = re.compile(
    # CSI: parameters, intermediates, one final character
    r"(?:\x1b\[|\x9b)([0-?]*)([ -/]*[@-~])"
    # OSC ends with BEL or ST; DCS, SOS, PM and APC with ST. An introducer that begins another
    # sequence ends the search, so that a line full of introducers costs one pass
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x80-\x9f]*(?:\x1b\\|\x9c)"
    # character sets and other sequences with intermediates, then the two-character ones
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-~]"
)
_INTRODUCERS = re.compile(r"[\x1b\x80-\x9f]")
_ENDS = "\r\n"
_REPLACEMENT = "\ufffd"
_SPACES = {"\u3000": "  "}


class _Table(dict[int, str]):
    """What each character outside the printable ones becomes; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = safe = char if char.isprintable() else _safe(char)
        return safe


def _safe(char: str) -> str:
    category = unicodedata.category(char)
    if char == "\t":
        return char
    if char in "\n\v\f\r\x85" or category in ("Zl", "Zp"):
        return " "
    if category == "Zs":
        return _SPACES.get(char, " ")
    if category in ("Cc", "Cf"):
        return ""
    # lone surrogates, private use, unassigned
    return _REPLACEMENT


_TABLE = _Table()


def clean(text: bytes | str) -> str:
    """The text as it may be shown: printable characters and tabs only.

    Escape sequences, control characters, direction controls and zero-width characters are
    dropped, line breaks inside the text become spaces, and what is no valid UTF-8 becomes U+FFFD.
    An escape sequence that never ends loses its introducer only, so that it can hide nothing.
    """
    told = _decode(text)
    if told.isprintable():
        return told
    told = told.rstrip(_ENDS)
    if _INTRODUCERS.search(told):
        told = _ESCAPE.sub("", told)
    return told if told.isprintable() else told.translate(_TABLE)


def styled_spans(text: bytes | str, style: Style = PLAIN) -> StyledText:
    """The text as `clean` gives it, with the colours it asked for.

    Args:
        text: One line.
        style: What the line before it left behind (`StyledText.style_after`).
    """
    told = _decode(text)
    if "\x1b" not in told and "\x9b" not in told:
        safe = clean(told)
        spans = (Span(0, len(safe), style),) if style != PLAIN and safe else ()
        return StyledText(safe, spans, style)
    told = told.rstrip(_ENDS)
    parts: list[str] = []
    spans_found: list[Span] = []
    length = done = 0
    for match in _ESCAPE.finditer(told):
        length = _append(told[done : match.start()], length, style, parts, spans_found)
        done = match.end()
        if match[2] == "m":
            style = apply_sgr(style, match[1])
    _append(told[done:], length, style, parts, spans_found)
    return StyledText("".join(parts), tuple(spans_found), style)


def _append(text: str, length: int, style: Style, parts: list[str], spans: list[Span]) -> int:
    safe = text if text.isprintable() else text.translate(_TABLE)
    if not safe:
        return length
    end = length + len(safe)
    parts.append(safe)
    if style != PLAIN:
        if spans and spans[-1].end == length and spans[-1].style == style:
            spans[-1] = Span(spans[-1].start, end, style)
        else:
            spans.append(Span(length, end, style))
    return end


def _decode(text: bytes | str) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "replace")
