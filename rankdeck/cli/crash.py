"""An error in Rankdeck itself: kept in a file for a report, told in two lines."""

from __future__ import annotations

import os
import sys
import time
import traceback

from rankdeck import __version__
from rankdeck.errors import UserError
from rankdeck.logs.sanitise import clean
from rankdeck.run.layout import rankdeck_home


def record_crash(error: Exception) -> UserError:
    """Write the traceback to `$RANKDECK_HOME/crash/` and return what to tell the user."""
    text = "".join(traceback.format_exception(error))
    head = f"rankdeck {__version__}, Python {sys.version.split()[0]}\n{' '.join(sys.argv)}\n\n"
    folder = rankdeck_home() / "crash"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(head + text, encoding="utf-8")
        where = f"the details are in {path}; please report them"
    except OSError:
        where = "set RANKDECK_DEBUG=1 to see the details; please report them"
    return UserError(f"internal error: {type(error).__name__}: {clean(str(error))}", where)
