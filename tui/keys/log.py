"""Keys of a log, and of the lines that it opens to be typed into."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

_MOVING = (
    Key(_S.LOG, "up,k", "line(-1)", "↑ k", "line up", "One line up; stops following."),
    Key(_S.LOG, "down,j", "line(1)", "↓ j", "line down", "Line down."),
    Key(
        _S.LOG,
        "pageup,ctrl+b",
        "page(-1)",
        "pgup ctrl+b",
        "page up",
        "One page up; stops following.",
    ),
    Key(
        _S.LOG,
        "pagedown,space,ctrl+f",
        "page(1)",
        "pgdn space ctrl+f",
        "page down",
        "Page down.",
    ),
    Key(_S.LOG, "ctrl+u", "half(-1)", "ctrl+u", "half up", "Half a page up; stops following."),
    Key(_S.LOG, "ctrl+d", "half(1)", "ctrl+d", "half down", "Half a page down."),
    Key(_S.LOG, "home,g", "begin", "home g", "begin", "To the first line; stops following."),
    Key(_S.LOG, "end,G", "end", "end G", "end and follow", "To the end of the log, and follow it."),
    Key(_S.LOG, "left,h", "shift(-8)", "← h", "left", "Left."),
    Key(_S.LOG, "right,l", "shift(8)", "→ l", "right", "Right."),
    Key(_S.LOG, "shift+left", "side(-1)", "shift+←", "far left", "Left by half the screen."),
    Key(_S.LOG, "shift+right", "side(1)", "shift+→", "far right", "Right by half the screen."),
    Key(_S.LOG, "0,^", "edge(False)", "0 ^", "line's begin", "Back to where lines begin."),
    Key(_S.LOG, "$", "edge(True)", "$", "line's end", "To where the longest line here ends."),
)
_FINDING = (
    Key(
        _S.LOG,
        "f,F",
        "follow",
        "f F",
        "follow",
        "Follow the end of the log, or stay where it is.",
        bar=True,
    ),
    Key(
        _S.LOG,
        "/",
        "search",
        "/",
        "search",
        "Find a text; upper case makes case count, re: begins an expression.",
        bar=True,
    ),
    Key(
        _S.LOG,
        "n",
        "match(False)",
        "n",
        "next match",
        "Next match; goes round the end, and says so.",
    ),
    Key(_S.LOG, "N", "match(True)", "N", "match before", "The match before this one."),
    Key(
        _S.LOG,
        "&",
        "filter",
        "&",
        "filter",
        "Show only lines with a text; ! leaves lines out, & joins several, re: an expression.",
        bar=True,
    ),
    Key(
        _S.LOG,
        "e",
        "error(False)",
        "e",
        "next error",
        "The next line that tells of an error.",
        bar=True,
    ),
    Key(_S.LOG, "E", "error(True)", "E", "error before", "The error before this place."),
    Key(
        _S.LOG,
        "ctrl+g,%",
        "jump",
        "ctrl+g %",
        "go to",
        "Go to a line number, 50%, a time like 12:01:07, or +5m and -1h from here.",
    ),
)
_SHOWING = (
    Key(
        _S.LOG,
        "m",
        "merged",
        "m",
        "all ranks",
        "All ranks (or those chosen) in one view by time, while it grows; or this one again.",
        bar=True,
    ),
    Key(_S.LOG, "M", "choose_ranks", "M", "which ranks", "Choose the ranks shown together."),
    Key(
        _S.LOG,
        "x",
        "fold",
        "x",
        "fold",
        "Show what several ranks wrote once, as ×N; again: also where numbers differ a little.",
    ),
    Key(
        _S.LOG,
        "X",
        "minority",
        "X",
        "minority",
        "Only what less than half of the ranks wrote; again: numbers may differ a little.",
    ),
    Key(_S.LOG, "w", "wrap", "w", "wrap", "Wrap long lines, or scroll sideways.", bar=True),
    Key(
        _S.LOG,
        "t",
        "times",
        "t",
        "times",
        "When lines were written: off, clock, since the line before, since the run's start.",
    ),
    Key(_S.LOG, "#", "numbers", "#", "line numbers", "Show or hide line numbers."),
)
_TAKING = (
    Key(_S.LOG, "b", "bookmark", "b", "bookmark", "Set a bookmark here, or take it away."),
    Key(_S.LOG, "]", "to_bookmark(1)", "]", "next bookmark", "The next bookmark."),
    Key(_S.LOG, "[", "to_bookmark(-1)", "[", "bookmark before", "The bookmark before."),
    Key(
        _S.LOG,
        "v,V",
        "select",
        "v V",
        "select",
        "Select lines with the keys that move; again or esc ends it. The mouse selects too.",
    ),
    Key(
        _S.LOG,
        "y",
        "copy",
        "y",
        "copy",
        "Copy the selected lines, else the line found, else the screen; says which way.",
    ),
    Key(_S.LOG, "o", "outside(False)", "o", "pager", "Open the log in $PAGER at this line."),
    Key(
        _S.LOG,
        "O",
        "outside(True)",
        "O",
        "editor",
        "Open the log in $EDITOR at this line.",
        writes=True,
    ),
    Key(
        _S.LOG,
        "ctrl+s",
        "save",
        "ctrl+s",
        "save",
        "Save what is selected, or all that is shown (filtered, merged), to a new file.",
    ),
    Key(
        _S.LOG,
        "escape",
        "leave",
        "esc",
        "end",
        "End the selection, the search, the saving; take the marks away, then the filter; else "
        "back.",
    ),
)
_TYPING = (
    Key(
        _S.LOG_PROMPT,
        "up",
        "recall(-1)",
        "↑",
        "typed before",
        "What was typed into such a line before: searches, filters, places and so on, each apart.",
        bar=True,
    ),
    Key(_S.LOG_PROMPT, "down", "recall(1)", "↓", "after that", "What was typed after that."),
)

KEYS: tuple[Key, ...] = (*_MOVING, *_FINDING, *_SHOWING, *_TAKING, *_TYPING)
