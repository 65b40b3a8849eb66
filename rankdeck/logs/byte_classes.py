"""Letters and classes of characters as expressions on the bytes of UTF-8. Pure.

Bytes that are no UTF-8 are the surrogates that `surrogateescape` makes of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING = rb"[^\x00-\xff]"
"""Matches nowhere."""

_CHARACTER = rb"[\xc2-\xf4][\x80-\xbf]{1,3}"
_LINE_ENDS = frozenset(b"\n\r")
_CATEGORIES = {
    "DIGIT": frozenset(b"0123456789"),
    "SPACE": frozenset(b" \t\n\r\f\v"),
    "WORD": frozenset(byte for byte in range(128) if chr(byte).isalnum() or byte == 0x5F),
}
_ASCII = frozenset(range(128))
_FIRST, _LAST = 0x80, 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
_MOST_FOLDED = 4096
"""Characters of a range of which the other case is looked up."""

_Ranges = list[tuple[int, int]]


def letter(code: int, folded: bool) -> bytes:
    """One character, in either case if case does not count."""
    if code < 128:
        return _ascii_class(_cases(code) if folded else {code})
    forms = sorted(_cases(code) if folded else {code})
    if len(forms) == 1:
        return _raw(_encoded(code))
    return b"(?:" + b"|".join(_raw(_encoded(form)) for form in forms) + b")"


def class_of(items: Sequence[tuple[str, Any]], folded: bool, *, repeated: bool = False) -> bytes:
    """A class in brackets.

    One that has all characters beyond ASCII also has all bytes that belong to none.

    Args:
        items: As Python's parser names them: NEGATE, LITERAL, RANGE, CATEGORY and their values;
            none: any character.
        folded: Whether case does not count.
        repeated: Whether it may match any number of times; then bytes do for characters.
    """
    ascii_part: set[int] = set()
    high: _Ranges = []
    for kind, value in items:
        if kind == "CATEGORY":
            _add_category(str(value), ascii_part, high)
        elif kind in ("LITERAL", "RANGE"):
            first, last = (value, value) if kind == "LITERAL" else value
            ascii_part.update(range(first, min(last, 127) + 1))
            if last >= _FIRST:
                high.append((max(first, _FIRST), last))
    if folded:
        _fold(ascii_part, high)
    high = _joined(high)
    if not items or items[0][0] == "NEGATE":
        ascii_part = set(_ASCII - ascii_part)
        high = _others(high)
    return _written(ascii_part - _LINE_ENDS, high, repeated)


def _add_category(name: str, ascii_part: set[int], high: _Ranges) -> None:
    known = _CATEGORIES[name.rpartition("_")[2]]
    if "_NOT_" in name:
        ascii_part.update(_ASCII - known)
        high.append((_FIRST, _LAST))
    else:
        ascii_part.update(known)


def _fold(ascii_part: set[int], high: _Ranges) -> None:
    for code in tuple(ascii_part):
        ascii_part.update(_cases(code))
    for first, last in tuple(high):
        if last - first < _MOST_FOLDED:
            high += [(case, case) for code in range(first, last + 1) for case in _cases(code)]


def _cases(code: int) -> set[int]:
    """A letter in both cases; those of ASCII stay there."""
    char = chr(code)
    found = {code}
    for other in (char.lower(), char.upper()):
        if len(other) == 1 and (ord(other) < 128) is (code < 128):
            found.add(ord(other))
    return found


def _joined(ranges: _Ranges) -> _Ranges:
    joined: _Ranges = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _others(ranges: _Ranges) -> _Ranges:
    """Every other character; bytes that are none are not among them, or every byte would be."""
    if not ranges:
        return [(_FIRST, _LAST)]
    found: _Ranges = []
    at = _FIRST
    for first, last in _joined([*ranges, _SURROGATES]):
        if at < first:
            found.append((at, first - 1))
        at = last + 1
    if at <= _LAST:
        found.append((at, _LAST))
    return found


def _written(ascii_part: set[int], high: _Ranges, repeated: bool) -> bytes:
    if high == [(_FIRST, _LAST)]:
        single = _ascii_class(ascii_part | set(range(128, 256)))
        return single if repeated else b"(?:" + _CHARACTER + b"|" + single + b")"
    forms = [_ascii_class(ascii_part)] if ascii_part or not high else []
    for first, last in high:
        for sequence in _sequences(first, last):
            forms.append(b"".join(_ascii_class(set(range(a, b + 1))) for a, b in sequence))
    return forms[0] if len(forms) == 1 else b"(?:" + b"|".join(forms) + b")"


def _sequences(first: int, last: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A range of characters as sequences of ranges of bytes."""
    for border in (0x7FF, 0xD7FF, 0xDC7F, 0xDCFF, 0xDFFF, 0xFFFF):
        if first <= border < last:
            yield from _sequences(first, border)
            yield from _sequences(border + 1, last)
            return
    if 0xDC80 <= first <= 0xDCFF:
        yield ((first - 0xDC00, last - 0xDC00),)
        return
    for bits in (6, 12, 18):
        low = (1 << bits) - 1
        if first | low == last | low:
            break
        if first & low or last & low != low:
            border = first | low if first & low else (last & ~low) - 1
            yield from _sequences(first, border)
            yield from _sequences(border + 1, last)
            return
    yield tuple(zip(_encoded(first), _encoded(last), strict=True))


def _encoded(code: int) -> bytes:
    if 0xDC80 <= code <= 0xDCFF:
        return bytes([code - 0xDC00])
    return chr(code).encode("utf-8", "surrogatepass")


def _ascii_class(codes: set[int]) -> bytes:
    if not codes:
        return NOTHING
    if len(codes) == 1:
        return _raw(bytes(codes)) if not codes & _LINE_ENDS else NOTHING
    ranges = _joined([(code, code) for code in codes])
    inner = b"".join(
        _raw(bytes([a])) if a == b else _raw(bytes([a])) + b"-" + _raw(bytes([b]))
        for a, b in ranges
    )
    return b"[" + inner + b"]"


def _raw(text: bytes) -> bytes:
    return b"".join(
        bytes([byte]) if byte < 128 and chr(byte).isalnum() else b"\\x%02x" % byte for byte in text
    )
