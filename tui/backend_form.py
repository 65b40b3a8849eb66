"""What the form knows of a backend: its options as fields, and whether it reaches other machines.

Everything comes from the backend's own description; no backend is known here by its name. Pure,
but for `describe_backend`, which loads the backend and is called in the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.job import values

if TYPE_CHECKING:
    from rankdeck.backend import BackendOption

PREFIX = "backend_options."
"""What a field's key begins with; the option's name follows."""


@dataclass(frozen=True, slots=True)
class BackendForm:
    """One backend, as the form shows it."""

    name: str
    title: str
    options: tuple[BackendOption, ...]
    multi_node: bool


def describe_backend(name: str) -> BackendForm | None:
    """The backend of that name; None where there is none that can be used."""
    from rankdeck.backend import Capability, load_backend

    try:
        backend = load_backend(name)
    except UserError:
        return None
    multi_node = Capability.MULTI_NODE in backend.capabilities
    return BackendForm(backend.name, backend.title, backend.options, multi_node)


def choices_of(option: BackendOption) -> tuple[str, ...]:
    """The values to go through; empty where any text may be right."""
    return ("on", "off") if option.type == "bool" else option.choices


def default_of(option: BackendOption) -> str:
    """What holds while nothing is said, as it would be typed."""
    return "" if option.default is None else text_of(option.default)


def text_of(value: str | float | bool) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def about(option: BackendOption) -> str:
    """What a field says of the option."""
    text = f"{option.metavar} · {option.help}" if option.metavar else option.help
    return f"{text} One a line." if option.repeatable else text


def check_option(option: BackendOption, text: str) -> str:
    """What is wrong with `text` as the option's value; empty: nothing."""
    lines = text.splitlines() if option.repeatable else [text]
    for number, line in enumerate(lines, start=1):
        try:
            _read(option, line)
        except ValueError as error:
            where = f"line {number} " if option.repeatable and len(lines) > 1 else ""
            return f"{where}{error}"
    return ""


def _read(option: BackendOption, text: str) -> None:
    if not text:
        return
    if option.choices:
        values.read_choice(text, option.choices)
    elif option.type == "bool":
        values.read_switch(text)
    elif option.type == "int":
        _number(int, text, "a whole number")
    elif option.type == "float":
        _number(float, text, "a number")
    else:
        values.check_carryable(text)


def _number(read: type[int] | type[float], text: str, what: str) -> None:
    try:
        read(text)
    except ValueError:
        raise ValueError(f"must be {what} (got {values.quoted(text)})") from None
