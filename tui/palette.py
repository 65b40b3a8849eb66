"""What the palette offers: places, everything the keys here do, runs, ranks, themes, commands.

Names of runs and nodes are outside text: they have passed `safe`, and are never markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from rankdeck.text import MARKS, age
from tui.looks import safe
from tui.places import PLACES
from tui.themes import theme_names
from tui.valid_keys import all_keys_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.screen import Screen

    from rankdeck.run.summary import RunSummary
    from tui.deck import Deck
    from tui.valid_keys import ValidKey

_MOVES = frozenset(("cursor", "page", "edge", "line", "move", "scroll", "shift", "begin", "end"))
_SELF = frozenset(("palette", "command"))


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be done."""

    title: str
    about: str
    """What it does, or what is to be known of it."""
    keys: str
    """The key that does it without the palette."""
    command: str
    """How it is called behind a colon; empty: it is not."""
    do: Callable[[], object]
    rank: int = 0
    """Those with a lower one come first where nothing else decides."""


def choices(deck: Deck, screen: Screen[Any]) -> tuple[Choice, ...]:
    """Everything that can be done, seen from a screen."""
    here = [valid for valid in all_keys_on(screen) if valid.row.action not in _SELF]
    found = [_of_key(deck, valid, number) for number, valid in enumerate(here)]
    found += [
        Choice(
            f"go to {there.title}",
            there.help,
            "",
            there.name,
            partial(deck.go, there.name),
            rank=100 + number,
        )
        for number, there in enumerate(PLACES)
    ]
    found += [
        Choice(
            f"theme {name}",
            "in use" if name == deck.theme else "",
            "",
            f"theme {name}",
            partial(deck.choose_theme, name),
            rank=900 + number,
        )
        for number, name in enumerate(theme_names())
    ]
    found.append(Choice("quit", "Leave Rankdeck; runs go on.", "", "q", deck.action_leave, 800))
    found += _ranks(screen)
    return tuple(found)


def _ranks(screen: Any) -> list[Choice]:
    """On the screen of a run: every rank, to go to its log."""
    grid, facts = getattr(screen, "grid", None), getattr(screen, "facts", None)
    if grid is None or facts is None:
        return []

    def go(rank: int) -> None:
        grid.selected = rank
        screen.action_pane("log")

    return [
        Choice(
            f"rank {rank.rank}",
            f"{rank.state.value} · {safe(rank.node)}:{rank.local_rank}",
            "",
            f"rank {rank.rank}",
            partial(go, rank.rank),
            2000 + rank.rank,
        )
        for rank in facts.snapshot.ranks
    ]


def _of_key(deck: Deck, valid: ValidKey, number: int) -> Choice:
    row = valid.row
    moves = row.action.partition("(")[0].removesuffix("_up").removesuffix("_down") in _MOVES
    return Choice(
        row.label,
        row.help,
        row.shown,
        "",
        partial(deck.do_action, row.action, valid.owner),
        rank=(700 if moves else 0 if row.bar else 300) + number,
    )


def run_choices(deck: Deck, runs: Sequence[RunSummary]) -> tuple[Choice, ...]:
    """Runs by name: to open; also to stop and to run again."""
    now = deck.clock()
    found = []
    for number, run in enumerate(runs):
        name = safe(run.name)
        about = f"{MARKS[run.state][0]} {run.state.value} · {age(now - run.created)} ago · {run.id}"
        called = safe(run.id)
        found.append(
            Choice(
                f"open {name}",
                about,
                "",
                f"run {called}",
                partial(deck.open_run, run.id),
                200 + number,
            )
        )
        found.append(
            Choice(
                f"run {name} again",
                about,
                "",
                f"rerun {called}",
                partial(deck.open_form, run.id),
                1200 + number,
            )
        )
        if not run.state.final:
            end = partial(deck.end_run, run.id, run.name, run.state, run.world_size, kill=False)
            found.append(Choice(f"stop {name}", about, "", f"stop {called}", end, 1000 + number))
    return tuple(found)


def search(found: Iterable[Choice], text: str) -> tuple[Choice, ...]:
    """The choices that fit what was typed, the best first; behind a colon, by their commands."""
    if text.startswith(":"):
        typed = text[1:].lstrip().lower()
        fits = [choice for choice in found if choice.command]
        exact = [choice for choice in fits if choice.command.lower() == typed]
        begins = [choice for choice in fits if choice.command.lower().startswith(typed)]
        others = [choice for choice in fits if all(w in choice.command for w in typed.split())]
        return tuple(dict.fromkeys((*exact, *begins, *others)))
    words = text.lower().split()
    scored = []
    for choice in found:
        score = _score(choice, words)
        if score is not None:
            scored.append((score, choice.rank, choice))
    scored.sort(key=lambda entry: entry[:2])
    return tuple(choice for _, _, choice in scored)


def shared_command(found: Sequence[Choice], text: str) -> str:
    """What all commands that go on from the typed one have in common; empty: no more than that."""
    if not text.startswith(":"):
        return ""
    typed = text[1:].lstrip().lower()
    longer = [choice.command for choice in found if choice.command.lower().startswith(typed)]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*longer, strict=False))
    shared = "".join(letters[0] for letters in alike)
    return f":{shared}" if len(longer) > 1 and len(shared) > len(typed) else ""


def _score(choice: Choice, words: list[str]) -> int | None:
    """How well it fits, 0 is best; None: not at all. Each word counts where it fits best."""
    title, about = choice.title.lower(), choice.about.lower()
    total = 0
    for word in words:
        if title.startswith(word):
            total += 0
        elif f" {word}" in title:
            total += 1
        elif word in title or word in choice.command.lower():
            total += 2
        elif word in about:
            total += 4
        elif _scattered(word, title):
            total += 6
        else:
            return None
    return total


def _scattered(word: str, text: str) -> bool:
    """Whether the letters of the word are in the text, in this order."""
    letters = iter(text)
    return all(letter in letters for letter in word)
