"""Every module of the core can be imported without the libraries that only others need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# each module in one process: what one of them imports must not be hidden by an earlier one, so
# the first that brings in a heavy library is named
_IMPORT_ALL = """
import sys
from importlib import import_module
heavy = set(sys.argv[1].split(","))
for name in sys.argv[2:]:
    import_module(name)
    if found := heavy & set(sys.modules):
        sys.exit(f"{name} loads {', '.join(sorted(found))}")
"""


def modules(package: str) -> list[str]:
    """Dotted names of every module of a package that is imported by name."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "templates" in parts:  # files of projects, copied and never imported
            continue
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def first_offender(names: list[str], *heavy: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, ",".join(heavy), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stderr.strip()


def test_core_loads_no_terminal_interface_no_ssh_and_no_torch() -> None:
    names = [name for name in modules("rankdeck") if not name.startswith("rankdeck.agent.")]
    assert first_offender(names, "textual", "rich", "paramiko", "torch", "numpy", "tui") == ""


def test_local_backend_loads_no_terminal_interface_no_ssh_and_no_torch() -> None:
    assert first_offender(modules("backends"), "textual", "rich") == ""


def test_terminal_interface_loads_no_backend_and_no_torch() -> None:
    assert first_offender(modules("tui"), "backends", "paramiko", "torch", "numpy") == ""


def test_what_is_slow_to_load_is_loaded_when_it_is_used() -> None:
    names = [name for name in modules("rankdeck/logs") if name != "rankdeck.logs.patient_child"]
    assert first_offender([*names, "tui.widgets.log_pane"], "re2") == ""


def test_package_itself_loads_nothing_of_weight() -> None:
    heavy = ("click", "msgspec", "yaml", "psutil", "asyncio", "textual", "rich", "paramiko")
    assert first_offender(["rankdeck"], *heavy) == ""


def test_command_line_frame_loads_little() -> None:
    heavy = ("msgspec", "yaml", "psutil", "asyncio", "textual", "rich", "paramiko")
    assert first_offender(["rankdeck.cli.main"], *heavy) == ""


_TELL_VERSION = """
import sys
from rankdeck.cli.entry import main
sys.argv = ["rankdeck", "--version"]
main()
sys.exit(",".join({"click", "msgspec", "subprocess", "rankdeck.cli.main"} & set(sys.modules)))
"""


def test_version_is_told_without_a_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TELL_VERSION],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.strip() == ""
    assert done.stdout.startswith("rankdeck ")
