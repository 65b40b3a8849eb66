"""Themes: our own five, beside those that Textual brings. Colour never says anything alone.

`apply_theme` also gives the styles of `tui.looks` their colours, so that a state looks the same
in every widget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

from tui.looks import use_colours

if TYPE_CHECKING:
    from rich.segment import Segment
    from textual.app import App

DEFAULT = "dark"
MONOCHROME = "monochrome"
_BRIGHT = 0.5

OWN: tuple[Theme, ...] = (
    Theme(
        name=DEFAULT,
        primary="#3465a4",
        secondary="#7d8fb3",
        accent="#56b6c2",
        success="#6cc070",
        warning="#e5b454",
        error="#f0686f",
        foreground="#d8dee9",
        background="#11141a",
        surface="#181c24",
        panel="#222834",
        boost="#ffffff0d",
    ),
    Theme(
        name="light",
        primary="#2a5db0",
        secondary="#4c566a",
        accent="#0b6270",
        success="#176b2c",
        warning="#8a5a00",
        error="#b3202c",
        foreground="#1b1f27",
        background="#f7f8fa",
        surface="#eceff4",
        panel="#dde2ea",
        boost="#0000000d",
        dark=False,
    ),
    # the colours of Okabe and Ito, told apart with any colour vision
    Theme(
        name="colour-blind",
        primary="#0072b2",
        secondary="#cc79a7",
        accent="#56b4e9",
        success="#00b183",
        warning="#f0e442",
        error="#ff7a1a",
        foreground="#e6e6e6",
        background="#101216",
        surface="#181b21",
        panel="#242932",
        boost="#ffffff0d",
    ),
    Theme(
        name="high-contrast",
        primary="#0050ff",
        secondary="#ffffff",
        accent="#00ffff",
        success="#00ff66",
        warning="#ffff00",
        error="#ff8787",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1c1c1c",
        boost="#1c1c1c",
        text_alpha=1.0,
    ),
    Theme(
        name=MONOCHROME,
        primary="#ffffff",
        secondary="#ffffff",
        accent="#ffffff",
        success="#ffffff",
        warning="#ffffff",
        error="#ffffff",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#000000",
        boost="#000000",
        text_alpha=1.0,
    ),
)


def theme_names() -> tuple[str, ...]:
    """Every theme's name, our own first."""
    return (*(theme.name for theme in OWN), *BUILTIN_THEMES)


class Colourless(LineFilter):
    """Takes every colour out; what stood on a bright ground is shown in reverse."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without colours."""
        return [
            segment if segment.style is None else segment._replace(style=_plain(segment.style))
            for segment in segments
        ]


def _plain(style: Style) -> Style:
    reverse = bool(style.reverse)
    if style.bgcolor is not None and not style.bgcolor.is_default:
        red, green, blue = style.bgcolor.get_truecolor()
        reverse = reverse or (red * 0.3 + green * 0.59 + blue * 0.11) / 255 > _BRIGHT
    return Style(
        bold=style.bold,
        dim=style.dim,
        italic=style.italic,
        underline=style.underline,
        strike=style.strike,
        reverse=reverse or None,
        link=style.link,
        meta=style.meta or None,
    )


def register_themes(app: App[None]) -> None:
    """Let the app know our own."""
    for theme in OWN:
        app.register_theme(theme)


def apply_theme(theme: Theme) -> None:
    """Give the styles of `looks` the colours of this theme."""
    colours = theme.to_color_system().generate()
    roles = {}
    for role in ("success", "warning", "error", "accent", "primary", "secondary", "foreground"):
        try:
            roles[role] = Color.parse(colours[role]).rich_color
        except (KeyError, ColorParseError):
            # a theme of the terminal's own colours
            continue
    use_colours(roles)
