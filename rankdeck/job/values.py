"""Readers from text (or a value already typed) to one field's value.

Each raises ValueError with the rest of a sentence that begins with the field's name. Pure.
"""

from __future__ import annotations

import math
import re

# patterns are texts: `re` compiles and keeps those that are used, most runs use two
_NAME = r"[^\W_][\w.-]{0,63}"
_WHOLE = r"[+-]?[0-9]{1,18}"
_CLOCK = r"(?:(\d+)-)?(\d+):([0-5]?\d):([0-5]?\d)"
_UNITS = (
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?"
    r"(?:(\d+(?:\.\d+)?)s?)?"
)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})

_LONGEST_QUOTE = 60
NPROC_WORDS = ("auto", "gpu", "cpu")


def quoted(text: str) -> str:
    """The text as a sentence can hold it: quoted, escaped, cut."""
    return repr(text) if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]!r}..."


def read_text(value: object) -> str:
    """Any non-empty text that every file and process can carry."""
    text = _as_text(value)
    if not text:
        raise ValueError("must not be empty")
    check_carryable(text)
    return text


def check_carryable(text: str) -> None:
    """Refuse what no environment variable, argument or file name can hold."""
    if "\0" in text:
        raise ValueError("holds a NUL character, which no process can be given")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None


def read_name(value: object) -> str:
    """A run's name: letters of any script; it is typed in commands and shown everywhere."""
    text = _as_text(value)
    if not re.fullmatch(_NAME, text):
        raise ValueError(
            "must be 1 to 64 letters, digits, '.', '_' or '-' and begin with a letter or digit"
            f" (got {quoted(text)})"
        )
    if text == "last":
        raise ValueError("must not be 'last', which always means the newest run")
    return text


def read_whole(value: object, low: int, high: int | None = None) -> int:
    """A whole number within bounds."""
    text = _as_text(value).strip()
    if not re.fullmatch(_WHOLE, text):
        raise ValueError(f"must be a whole number (got {quoted(text)})")
    number = int(text)
    if number < low or (high is not None and number > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"must be {bounds} (got {number})")
    return number


def read_nproc(value: object) -> int | str:
    """Ranks per node: a number, or one of torchrun's words."""
    text = _as_text(value).strip()
    if text.lower() in NPROC_WORDS:
        return text.lower()
    if not re.fullmatch(_WHOLE, text):
        raise ValueError(f"must be a number, 'auto', 'gpu' or 'cpu' (got {quoted(text)})")
    return read_whole(value, 1)


def read_duration(value: object, low: float = 0.0, *, low_allowed: bool = True) -> float:
    """Seconds from `90`, `45s`, `10m`, `2h30m`, `1d12h` or `1:30:00` (also `1-12:00:00`)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text, seconds = f"{value}", float(value) if math.isfinite(value) else None
    else:
        text = _as_text(value).strip().lower()
        seconds = _seconds(text)
    if seconds is None:
        raise ValueError(
            f"must be a duration such as 90, 10m, 2h30m or 1:30:00 (got {quoted(text)})"
        )
    if seconds < low or (seconds == low and not low_allowed):
        raise ValueError(f"must be {'at least' if low_allowed else 'more than'} {low:g} seconds")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest text that `read_duration` reads back as `seconds`."""
    whole = int(seconds)
    if seconds != whole or whole == 0:
        return f"{seconds:g}s" if float(f"{seconds:g}") == seconds else f"{seconds!r}s"
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def read_switch(value: object) -> bool:
    """A switch, written as YAML and people write them."""
    text = _as_text(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"must be true or false (got {quoted(text)})")


def read_choice(value: object, choices: tuple[str, ...]) -> str:
    """One of a fixed set."""
    text = _as_text(value).strip()
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)} (got {quoted(text)})")
    return text


def read_words(value: object, separator: str | None) -> tuple[str, ...]:
    """A list; text is split at `separator`, or as a shell splits words when it is None.

    A separator within brackets belongs to a range of hosts (`node[1,3]`) and splits nothing.
    """
    if isinstance(value, str):
        if separator is not None and "[" in value:
            from rankdeck.nodes.ranges import split_outside_brackets

            words = split_outside_brackets(value, separator)
        elif separator is not None:
            words = [part.strip() for part in value.split(separator)]
        else:
            # imported late: arguments mostly come as a list
            import shlex

            try:
                words = shlex.split(value)
            except ValueError as error:
                raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
    elif isinstance(value, (tuple, list)):
        words = [_as_text(item) for item in value]
    else:
        raise ValueError("must be a list")
    for word in words:
        check_carryable(word)
    if separator is not None and not all(words):
        raise ValueError("has an empty entry")
    return tuple(words)


def read_mapping(value: object) -> dict[str, str]:
    """Names to texts; one `NAME=VALUE`, or a mapping."""
    if isinstance(value, dict):
        return {_as_text(name): _as_text(item) for name, item in value.items()}
    if isinstance(value, str):
        return dict([split_assignment(value)])
    raise ValueError("must be a mapping of names to values")


def split_assignment(text: str) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`; the value keeps every byte after the first `=`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"must be NAME=VALUE (got {quoted(text)})")
    return name, value


def is_identifier(name: str) -> bool:
    """Whether every shell and every program can use `name` as a variable."""
    return name.isascii() and name.isidentifier()


def slug(text: str) -> str:
    """A valid name as near to `text` as possible; `job` when nothing of it is usable."""
    kept = re.sub(r"[^\w.-]+", "-", text).strip("-._")[:64]
    kept = kept.strip("-._")
    return kept if kept and kept != "last" else "job"


def _seconds(text: str) -> float | None:
    if clock := re.fullmatch(_CLOCK, text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    units = re.fullmatch(_UNITS, text)
    if not text or units is None:
        return None
    days_, hours_, minutes_, seconds_ = (float(part or 0) for part in units.groups())
    return ((days_ * 24 + hours_) * 60 + minutes_) * 60 + seconds_


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"must be a single value, not a {_shape(value)}")


def _shape(value: object) -> str:
    return "mapping" if isinstance(value, dict) else "list"
