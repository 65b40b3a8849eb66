"""Jobs as the form's texts, by field (`nnodes`, `hyperparameters.lr`), and back. Pure."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from rankdeck.job.draft import JobDraft
from rankdeck.job.fields import FIELDS, Field, FieldKind
from rankdeck.job.values import duration_text, split_assignment
from rankdeck.project.secrets import HIDDEN, is_secret
from tui.backend_form import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.spec import JobSpec

MAPPINGS = ("hyperparameters", "env", "backend_options")
"""Fields that hold values by name."""

_STARTERS = frozenset(
    (
        *("torchrun", "colossalai", "msrun", "srun", "mpirun", "mpiexec"),
        *("sbatch", "deepspeed", "accelerate", "rankdeck"),
    )
)


def job_texts(job: JobSpec | JobDraft) -> dict[str, str]:
    """Every field that has a value, as one would type it."""
    texts: dict[str, str] = {}
    for field in FIELDS:
        value = getattr(job, field.name)
        if value is None:
            continue
        if isinstance(value, dict):
            typed = {name: text_of(item) for name, item in value.items()}
            texts[field.name] = shlex.join(f"{name}={text}" for name, text in typed.items())
            texts |= {f"{field.name}.{name}": text for name, text in typed.items()}
        else:
            texts[field.name] = _text(field, value)
    return texts


def typed_texts(draft: JobDraft) -> dict[str, str]:
    """What a draft says, as texts to be typed into the form: each entry of a mapping by itself."""
    return {key: text for key, text in job_texts(draft).items() if text and key not in MAPPINGS}


def _text(field: Field, value: Any) -> str:
    if isinstance(value, str):
        return str(getattr(value, "value", value))
    if field.kind is FieldKind.WORDS:
        return shlex.join(value)
    if field.kind is FieldKind.LIST:
        return ",".join(value)
    if field.kind is FieldKind.DURATION:
        return duration_text(value)
    if field.kind is FieldKind.SWITCH:
        return "on" if value else "off"
    return str(value)


def draft_of(texts: Mapping[str, str]) -> JobDraft:
    """What was typed, as a draft; empty text says nothing.

    Raises:
        ValueError: A list of NAME=VALUE cannot be read.
    """
    values: dict[str, Any] = {}
    for key, text in texts.items():
        name, _, entry = key.partition(".")
        if not text:
            continue
        if entry:
            values.setdefault(name, {})[entry] = text
        elif name in MAPPINGS:
            values[name] = {**values.get(name, {}), **read_assignments(text)}
        else:
            values[name] = text
    return JobDraft(**values)


def read_assignments(text: str) -> dict[str, str]:
    """`A=1 B='x y'` as a mapping. Raises ValueError with the rest of a sentence."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
    return dict(split_assignment(word) for word in words)


def write_assignments(values: Mapping[str, str]) -> str:
    """What `read_assignments` reads."""
    return shlex.join(f"{name}={text}" for name, text in values.items())


def shown_value(key: str, text: str) -> str:
    """A field's text as it may be shown: secrets are hidden."""
    name = key.partition(".")[2]
    if name and text:
        return HIDDEN if is_secret(name, text) else text
    if key in MAPPINGS:
        try:
            given = read_assignments(text)
        except ValueError:
            return text
        return " ".join(f"{n}={HIDDEN if is_secret(n, t) else t}" for n, t in given.items())
    return text


def looks_like_command(text: str) -> bool:
    """Whether pasted text begins as a command line that starts a training job."""
    for word in text.replace("\\\n", " ").split()[:12]:
        name = os.path.basename(word)
        if name in _STARTERS:
            return True
        if word in ("$", "exec", "env", "time", "sudo", "nohup") or "=" in word:
            continue
        if name.startswith("python"):
            return "torch.distributed" in text or "accelerate" in text
        return False
    return False
