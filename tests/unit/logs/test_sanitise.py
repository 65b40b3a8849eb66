from __future__ import annotations

import random

import pytest

from rankdeck.logs.sanitise import clean, styled_spans
from rankdeck.logs.style import PLAIN, Span, Style

HOSTILE = {
    "clears the screen": ("a\x1b[2Jb", "ab"),
    "moves the cursor": ("a\x1b[10;20Hb", "ab"),
    "private mode": ("\x1b[?1049hx", "x"),
    "asks the terminal to answer": ("\x1b[6nx\x1b[cx", "xx"),
    "sets the title, BEL": ("\x1b]0;owned\x07x", "x"),
    "sets the title, ST": ("\x1b]2;owned\x1b\\x", "x"),
    "writes the clipboard": ("\x1b]52;c;cm0gLXJmIH4=\x07x", "x"),
    "hyperlink": ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
    "device control": ("\x1bP+q544e\x1b\\x", "x"),
    "application command": ("\x1b_Gf=100;AAAA\x1b\\x", "x"),
    "privacy message": ("\x1b^hidden\x1b\\x", "x"),
    "start of string": ("\x1bXhidden\x1b\\x", "x"),
    "full reset": ("\x1bcx", "x"),
    "character set": ("\x1b(0x", "x"),
    "8-bit CSI": ("a\x9b2Jb", "ab"),
    "8-bit OSC": ("\x9d0;owned\x9cx", "x"),
    "8-bit DCS, APC, PM, SOS": ("\x90a\x9c\x9fb\x9c\x9ec\x9c\x98d\x9cx", "x"),
    "other C1": ("a\x84\x8db", "ab"),
    "ends within a sequence": ("x\x1b[12;", "x12;"),
    "a string that never ends hides nothing": ("\x1b]0;still here", "0;still here"),
    "a string that another interrupts": ("\x1b]0;a\x1b[31mb", "0;ab"),
    "sequences formed by removal": ("\x1b\x1b[31m[2Jx", "[2Jx"),
    "C0": ("a\x00\x01\x07\x08\x0e\x7fb", "ab"),
    "tab stays": ("a\tb", "a\tb"),
    "carriage return inside": ("a\rb", "a b"),
    "line breaks inside": ("a\nb\u2028c\x85d\x0be", "a b c d e"),
    "line end": ("a\r\n", "a"),
    "bidi override": ("a\u202eb\u202c\u2066c\u2069", "abc"),
    "zero width": ("a\u200bb\u200dc\ufeffd\u2060e\u00adf", "abcdef"),
    "tag characters": ("a\U000e0041b", "ab"),
    "other spaces": ("a\u00a0b\u3000c", "a b  c"),
    "lone surrogate": ("a\udc80b", "a\ufffdb"),
    "markup is text": ("[/foo] [@click=app.bell]x[/]", "[/foo] [@click=app.bell]x[/]"),
    "Chinese": ("训练完成 loss=0.1", "训练完成 loss=0.1"),
    "emoji": ("done 🏖", "done 🏖"),
}


@pytest.mark.parametrize(("told", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_made_safe(told: str, shown: str) -> None:
    assert clean(told) == shown
    assert styled_spans(told).text == shown


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (b"\xff\xfeloss", "\ufffd\ufffdloss"),
        (b"cut \xe4\xb8", "cut \ufffd"),
        (b"\x9b2J", "\ufffd2J"),
        (b"\xc2\x9b2Jx", "x"),
    ],
)
def test_what_is_no_utf_8_is_replaced(told: bytes, shown: str) -> None:
    assert clean(told) == shown


def _corpus(count: int) -> list[bytes]:
    pieces = [
        *(bytes([number]) for number in range(256)),
        *(chr(number).encode() for number in (0x9B, 0x9C, 0x9D, 0x200B, 0x202E, 0x2066, 0x2028)),
        *(b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b\\", b"\x1b", b"m", b"31;1m", b"38;5;9m"),
        *("训练", "\u0301", "👩\u200d🔬", "\ue000", "\u3000", "loss 1.5"),
    ]
    as_bytes = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    dice = random.Random(20)
    return [b"".join(dice.choices(as_bytes, k=dice.randrange(40))) for _ in range(count)]


def test_any_text_becomes_printable_and_stays_as_it_is_then() -> None:
    for told in _corpus(4000):
        for text in (told, told.decode("utf-8", "surrogateescape"), told.decode("latin-1")):
            shown = clean(text)
            assert shown.replace("\t", "").isprintable(), ascii(text)
            assert clean(shown) == shown, ascii(text)


def test_spans_lie_in_order_within_the_cleaned_text() -> None:
    for told in _corpus(4000):
        styled = styled_spans(told, Style(bold=True))
        assert styled.text == clean(told), ascii(told)
        end = 0
        for span in styled.spans:
            assert end <= span.start < span.end <= len(styled.text), ascii(told)
            assert span.style != PLAIN
            end = span.end


def test_a_line_full_of_introducers_takes_one_pass() -> None:
    for introducer in ("\x1b]", "\x9d", "\x1bP", "\x9b", "\x1b[", "\x1b"):
        assert clean(introducer * 500_000).strip("[]P") == ""


SGR = {
    "basic": ("\x1b[31mred\x1b[0m plain", [(0, 3, Style(fg=1))]),
    "bright": ("\x1b[97;104mx", [(0, 1, Style(fg=15, bg=12))]),
    "attributes": (
        "\x1b[1;2;3;4;7;9mx",
        [(0, 1, Style(None, None, True, True, True, True, True, True))],
    ),
    "attributes off again": ("\x1b[1;2;3;4;7;9m\x1b[22;23;24;27;29mx", []),
    "256 colours": ("\x1b[38;5;200;48;5;17mx", [(0, 1, Style(fg=200, bg=17))]),
    "true colour": ("\x1b[38;2;1;2;3mx", [(0, 1, Style(fg=(1, 2, 3)))]),
    "true colour with colons": ("\x1b[38:2::9:8:7mx", [(0, 1, Style(fg=(9, 8, 7)))]),
    "true colour with colons, short": ("\x1b[48:2:9:8:7mx", [(0, 1, Style(bg=(9, 8, 7)))]),
    "256 colours with colons": ("\x1b[48:5:3mx", [(0, 1, Style(bg=3))]),
    "underline with and without": ("\x1b[4:3mx\x1b[4:0my", [(0, 1, Style(underline=True))]),
    "empty is a reset": ("\x1b[31mx\x1b[my", [(0, 1, Style(fg=1))]),
    "default colours": ("\x1b[31;41mx\x1b[39;49my", [(0, 1, Style(fg=1, bg=1))]),
    "colours out of range change nothing": ("\x1b[38;5;256;1mx", [(0, 1, Style(bold=True))]),
    "an incomplete colour changes nothing": ("\x1b[38;2;1mx", []),
    "a huge number changes nothing": ("\x1b[99999999999999999999mx", []),
    "a private sequence changes nothing": ("\x1b[>4;1mx", []),
    "other sequences change nothing": ("\x1b[31Kx\x1b[1Ay", []),
    "equal neighbours are one": ("\x1b[31mx\x1b[Ky", [(0, 2, Style(fg=1))]),
    "8-bit": ("\x9b32mx", [(0, 1, Style(fg=2))]),
}


@pytest.mark.parametrize(("told", "spans"), SGR.values(), ids=SGR.keys())
def test_colours_are_kept_as_data(told: str, spans: list[tuple[int, int, Style]]) -> None:
    assert styled_spans(told).spans == tuple(Span(*span) for span in spans)


def test_a_style_goes_on_in_the_next_line() -> None:
    first = styled_spans(b"\x1b[1;35mTraceback")
    second = styled_spans(b"more", first.style_after)
    assert second.spans == (Span(0, 4, Style(fg=5, bold=True)),)
    assert styled_spans(b"\x1b[0m", second.style_after).style_after == PLAIN
