"""Finding templates and workspaces: `field:value` words, and words that need not be whole. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.library.shelf import Kept

_SHORT = {
    "nodes": "nnodes",
    "nproc": "nproc_per_node",
    "ranks": "nproc_per_node",
    "output": "output_dir",
    "limit": "time_limit",
    "set": "hyperparameters",
    "option": "backend_options",
}
_NO_MATCH = 1 << 20


def search(kept: Iterable[Kept], query: str) -> tuple[Kept, ...]:
    """Those that fit every word of the query, the best ones first; all of them without a query.

    A word `field:value` looks into that field (`backend:slurm`, `env:NCCL`, `broken:yes`); `!`
    before a word turns it round. Any other word is looked for in name, description, entry,
    project and backend, and in the name also with letters left out (`lsft` finds `llama-sft`).
    """
    words = query.casefold().split()
    if not words:
        return tuple(kept)
    scored = []
    for item in kept:
        scores = [_score(item, word) for word in words]
        if all(score < _NO_MATCH for score in scores):
            scored.append((sum(scores), item.name, item))
    return tuple(item for _, _, item in sorted(scored, key=lambda found: found[:2]))


def _score(item: Kept, word: str) -> int:
    """How well one word fits: 0 is best."""
    if word.startswith("!") and len(word) > 1:
        return 0 if _score(item, word[1:]) == _NO_MATCH else _NO_MATCH
    name, colon, value = word.partition(":")
    if colon and (field := _field(name)):
        return 0 if not value or value in _text(item, field) else _NO_MATCH
    own = item.name.casefold()
    if word in own:
        return own.index(word)
    if any(word in _text(item, field) for field in ("description", "entry", "project", "backend")):
        return 200
    gaps = fuzzy(word, own)
    return _NO_MATCH if gaps is None else 400 + gaps


def fuzzy(word: str, text: str) -> int | None:
    """How many letters lie between those of `word` in `text`; None: they are not all there."""
    at, first = -1, -1
    for letter in word:
        at = text.find(letter, at + 1)
        if at < 0:
            return None
        first = at if first < 0 else first
    return at + 1 - first - len(word)


def _field(name: str) -> str:
    if name in ("name", "description", "broken"):
        return name
    known = {field.name for field in FIELDS}
    spelled = _SHORT.get(name, name.replace("-", "_"))
    return spelled if spelled in known else ""


def _text(item: Kept, field: str) -> str:
    if field == "broken":
        return "yes" if item.broken else "no"
    value = getattr(item if field in ("name", "description") else item.draft, field)
    if isinstance(value, dict):
        value = " ".join(f"{name}={text}" for name, text in value.items())
    elif isinstance(value, tuple):
        value = " ".join(value)
    return "" if value is None else str(value).casefold()
