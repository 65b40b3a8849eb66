"""The grammar of `--include` and `--exclude`. Pure, but for what a group's name stands for.

    filter  = term ("," term)*      hosts in this order become the ranks' order (`colossalai run`)
            | term ("@" term)*      hosts stay in the inventory's order (DeepSpeed)
    term    = hosts [":" slots]     `h1`, `node[01-04,9]`, `h1:0,2`, `h1:0-3`
            | "@" group [":" slots] where a term begins, `@` is a group: `@gpu`, `h1,@gpu`
    slots   = number or first-last, joined by ","

A group's hosts that the inventory does not have are passed over, hosts named one by one never.
What follows a colon and a comma is a slot as long as it is a number, so `h1:0,2,h2` is two hosts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.nodes.groups import resolve_group
from rankdeck.nodes.host_entry import is_ipv6
from rankdeck.nodes.ranges import expand_hosts, split_outside_brackets

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOTS = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")
_MOST_SLOTS = 4096
_ADDRESS = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]\s*(?::(.*))?")


class FilterTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One term: hosts, and which of their slots; none named means all of them."""

    hosts: tuple[str, ...]
    group: str = ""
    """The group they are, with its `@`; empty: they were named themselves."""
    slots: tuple[int, ...] = ()


class HostFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter as written."""

    terms: tuple[FilterTerm, ...]
    ordered: bool
    """Whether the order of the terms is the order of the ranks."""


def parse_filter(text: str, groups: Callable[[str], tuple[str, ...]] = resolve_group) -> HostFilter:
    """Read a filter.

    Raises:
        ValueError: With the rest of a sentence that begins with the option.
    """
    by_comma = _terms(split_outside_brackets(text, ","))
    by_at = [part for word in by_comma for part in _split_at(word)]
    if len(by_comma) > 1 and len(by_at) > len(by_comma):
        raise ValueError("joins hosts both with , and with @: use one of them")
    return HostFilter(
        terms=tuple(_term(word, groups) for word in by_at), ordered=len(by_at) == len(by_comma)
    )


def _terms(parts: list[str]) -> list[str]:
    """Commas between hosts separate terms, commas between slots do not."""
    terms: list[str] = []
    for part in parts:
        if terms and _SLOTS.fullmatch(part.partition("@")[0].strip()) and _ends_in_slots(terms[-1]):
            terms[-1] += f",{part}"
        else:
            terms.append(part)
    return terms


def _ends_in_slots(term: str) -> bool:
    return _host_and_slots(_split_at(term)[-1])[1] is not None


def _host_and_slots(word: str) -> tuple[str, str | None]:
    """What stands before and behind a term's colon; the colons of an IPv6 address are its own."""
    if address := _ADDRESS.fullmatch(word):
        return address[1], address[2]
    if word.count(":") > 1 and is_ipv6(word):
        return word, None
    host, colon, slots = word.partition(":")
    return host.strip(), slots if colon else None


def _split_at(term: str) -> list[str]:
    """The terms that `@` joins; at the beginning it is a group's mark."""
    mark = "@" if term.startswith("@") else ""
    parts = [part.strip() for part in term[len(mark) :].split("@")]
    return [mark + parts[0], *parts[1:]]


def _term(word: str, groups: Callable[[str], tuple[str, ...]]) -> FilterTerm:
    name, slots = _host_and_slots(word)
    if not name or name == "@":
        raise ValueError("has an empty entry")
    group = name if name.startswith("@") else ""
    try:
        hosts = groups(name[1:]) if group else (name,) if is_ipv6(name) else expand_hosts(name)
    except ValueError as error:
        raise ValueError(f"{name!r} {error}") from None
    return FilterTerm(hosts=hosts, group=group, slots=() if slots is None else _slots(name, slots))


def _slots(name: str, text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        match = _SLOTS.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"has {part!r} where a slot's number belongs ({name}:0,1)")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low or high - low >= _MOST_SLOTS:
            raise ValueError(f"has a bad range of slots: {part.strip()} (host {name})")
        found += range(low, high + 1)
    if len(set(found)) < len(found):
        raise ValueError(f"names a slot of {name} twice: {text.strip()}")
    return tuple(sorted(found))
