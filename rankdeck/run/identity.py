"""Ids of runs: `20261121-104512-<name>-<4 base32 characters>`, in UTC: they sort by time."""

from __future__ import annotations

import os
import re
import time

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_MAX_NAME = 48


def slug(name: str) -> str:
    """A run's name as it appears in its id; names in other scripts give `run`."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:_MAX_NAME].rstrip("-.")
    return plain or "run"


def new_run_id(name: str, now: float) -> str:
    """An id for a run made at `now`."""
    tail = "".join(_ALPHABET[byte % 32] for byte in os.urandom(4))
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{slug(name)}-{tail}"
