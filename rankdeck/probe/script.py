"""How a probe is run on a node: a shell command and what goes to its standard input. Pure.

Nothing of it is in the command's arguments but the interpreter's name.
"""

from __future__ import annotations

import json
import shlex
from importlib import resources

NO_PYTHON = 127
"""Exit status where there is no Python at all."""


def probe_command(python: str | None) -> str:
    """Runs what comes on standard input by the job's interpreter, or by any that is there."""
    names = " ".join(shlex.quote(name) for name in dict.fromkeys((python or "python3", "python3")))
    script = (
        f"for p in {names}; do"
        ' if command -v "$p" >/dev/null 2>&1; then exec "$p" -I -; fi; done;'
        f" echo 'there is no Python here' >&2; exit {NO_PYTHON}"
    )
    return f"exec /bin/sh -c {shlex.quote(script)}"


def probe_input(name: str, arguments: object) -> bytes:
    """The text of the probe `name`, with its arguments in front."""
    text = resources.files("rankdeck.probe").joinpath(f"{name}.py").read_text(encoding="utf-8")
    given = json.dumps(arguments)
    scope = f"{{'__name__': '__probe__', 'ARGUMENTS': json.loads({given!r})}}"
    # compiled there: no line of ours may stand before its `from __future__`
    return f"import json\nexec(compile({text!r}, {name!r}, 'exec'), {scope})\n".encode()
