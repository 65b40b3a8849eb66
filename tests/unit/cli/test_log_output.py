from __future__ import annotations

from rankdeck.cli.log_output import to_sgr
from rankdeck.logs.sanitise import styled_spans


def test_colours_are_kept_in_our_own_sequences() -> None:
    assert to_sgr(styled_spans(b"a \x1b[1;31mred\x1b[0m b")) == "a \x1b[38;5;1;1mred\x1b[0m b"
    assert to_sgr(styled_spans(b"\x1b[38;2;1;2;3mx")) == "\x1b[38;2;1;2;3mx\x1b[0m"


def test_everything_else_is_dropped() -> None:
    assert to_sgr(styled_spans(b"\x1b]52;c;eA==\x07\x1b[2Jx\xc2\x9b31m")) == "x"


def test_plain_text_stays_plain() -> None:
    assert to_sgr(styled_spans("中文 x")) == "中文 x"
