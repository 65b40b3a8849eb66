"""Imports paramiko without what it would bring along for a feature that is not used here.

For `Match exec` in its own ssh_config reader paramiko imports invoke, and with it asyncio, yaml
and unittest: half of its import time and memory. It does without when invoke is not there.
"""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _without(name: str) -> Iterator[None]:
    hidden = name not in sys.modules
    # modules are not garbage: looking for some again and again takes a tenth of the time
    collecting = gc.isenabled()
    gc.disable()
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]
        if collecting:
            gc.enable()


with _without("invoke"):
    import paramiko as paramiko

# what goes wrong is raised; paramiko would print it to the terminal as well
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False
