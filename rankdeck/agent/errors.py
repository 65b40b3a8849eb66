"""Error records: the uncaught exception of a rank, in torchelastic's error-file format."""

from __future__ import annotations

import glob
import json
import math
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGEST = 1 << 20
_LONGEST = 500


def read_error(path: str) -> dict[str, Any] | None:
    """RankError of an error file; None: there is none, or it is not one."""
    try:
        with open(path, "rb") as file:
            told = json.loads(file.read(_LARGEST))["message"]
        message = str(told["message"])
        kind, colon, rest = message.partition(": ")
        if not colon or " " in kind:
            kind, rest = message if " " not in message else "", message
        extra = told["extraInfo"]
        time = float(extra.get("time", extra["timestamp"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    except (OverflowError, RecursionError):  # written by whoever pleased to
        return None
    if not math.isfinite(time):
        return None
    return {"type": kind[:_LONGEST], "message": rest[:_LONGEST], "time": time}


def adopt_error(pet_dir: str, local_rank: int, path: str) -> None:
    """Make torchelastic's own error file the rank's, where our recorder left none."""
    if os.path.exists(path):
        return
    found = glob.glob(f"{glob.escape(pet_dir)}/*/attempt_*/{local_rank}/error.json")
    if found:
        with open(max(found, key=os.path.getmtime), "rb") as file:
            text = file.read(_LARGEST)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(text)
        os.rename(temporary, path)
