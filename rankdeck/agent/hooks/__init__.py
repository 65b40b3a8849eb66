"""What ranks load: `sitecustomize.py`, here as data. It is written into the node directory."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def source() -> bytes:
    """The text of `sitecustomize.py`, from this folder or from the bundle."""
    # the loader reads from a folder and from the bundle alike
    loader: Any = globals()["__loader__"]
    return bytes(loader.get_data(os.path.join(os.path.dirname(__file__), "sitecustomize.py")))
