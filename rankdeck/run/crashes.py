"""Supervisors that end by a fault of their own as soon as they start, one after another.

Each would be followed by the next one without end, and nobody would be told. What they print goes
to the run's `supervisor.log`; one that is killed prints nothing, and is replaced at once.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

_TIMES = 3
_PAUSE_SECONDS = 60.0
"""After which another one is tried: what ended them may have been mended."""
_TAIL = 64 * 1024
_TRACEBACK = b"Traceback (most recent call last)"


def crash_loop(run: RunDir) -> UserError | None:
    """What ends every supervisor of this run; None: nothing does, or not lately."""
    try:
        with open(run.supervisor_log, "rb") as log:
            facts = os.fstat(log.fileno())
            log.seek(max(0, facts.st_size - _TAIL))
            said = log.read()
    except OSError:
        return None
    if said.count(_TRACEBACK) < _TIMES or time.time() - facts.st_mtime > _PAUSE_SECONDS:
        return None
    last = said.decode(errors="replace").rstrip().rpartition("\n")[2].strip()
    return UserError(
        f"{run.id}: its supervisor ends as soon as it starts: {last[:300]}",
        f"this is a fault of Rankdeck's, told in {run.supervisor_log}; what runs goes on, and"
        " another supervisor is tried in a minute",
        exit_code=ExitCode.UNUSABLE,
    )
