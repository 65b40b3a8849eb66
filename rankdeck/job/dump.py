"""JobSpec to job.yaml text. Pure, and without a YAML library: `rankdeck run` writes one each time.

Reading the text back gives an equal JobSpec. Texts that another YAML reader would take for a
number, a date or a switch are quoted.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.fields import FIELDS, FieldKind
from rankdeck.job.values import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.draft import JobDraft
    from rankdeck.job.spec import JobSpec

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def job_to_yaml(spec: JobSpec) -> str:
    """The job as a file that `load_job_yaml` reads; the same spec gives the same bytes."""
    return _text({field.name: getattr(spec, field.name) for field in FIELDS})


def draft_to_yaml(draft: JobDraft) -> str:
    """An unfinished job as such a file: what is not said is not in it.

    Values that can be read are written as their type is (`nproc_per_node: 4`, not `"4"`), and
    durations as people write them; others stay the text they are.
    """
    given: dict[str, object] = {}
    for field in FIELDS:
        value = getattr(draft, field.name)
        if value is None:
            continue
        try:
            value = field.read(value)
        except ValueError:
            given[field.name] = value
            continue
        if field.kind is FieldKind.DURATION and isinstance(value, float):
            value = duration_text(value)
        given[field.name] = value
    return _text(given)


def _text(values: Mapping[str, object]) -> str:
    lines: list[str] = []
    for field in FIELDS:
        value = values.get(field.name)
        if value is None or value in ((), {}):
            continue
        if isinstance(value, dict):
            lines.append(f"{field.name}:")
            lines += [f"  {_scalar(key)}: {_scalar(item)}" for key, item in value.items()]
        elif isinstance(value, (tuple, list)):
            lines.append(f"{field.name}:")
            lines += [f"  - {_scalar(item)}" for item in value]
        else:
            lines.append(f"{field.name}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    quoted = msgspec.json.encode(text).decode()
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)
