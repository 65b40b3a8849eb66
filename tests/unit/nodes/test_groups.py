from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.nodes.groups import resolve_group

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
[Main]
default: site

[site]
map: case $GROUP in gpu) echo 'n[3-4],n1';; esac
list: echo gpu
"""
CODE = """
import sys
from rankdeck.nodes.groups import resolve_group
for name in sys.argv[1:]:
    try:
        print(name, *resolve_group(name))
    except ValueError as error:
        print(name, "refused:", error)
"""


def test_groups_are_those_that_clustershell_is_configured_with(tmp_path: Path) -> None:
    folder = tmp_path / "clustershell"
    folder.mkdir()
    (folder / "groups.conf").write_text(CONFIG)
    # ClusterShell reads its configuration once a process
    done = subprocess.run(
        [sys.executable, "-c", CODE, "gpu", "site:gpu", "none", "nowhere:gpu"],
        env={**os.environ, "CLUSTERSHELL_CFGDIR": str(folder), "PYTHONPATH": os.getcwd()},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:2] == ["gpu n1 n3 n4", "site:gpu n1 n3 n4"], done.stderr
    assert lines[2].startswith("none refused: is a group without hosts, or one that ClusterShell")
    assert lines[3].startswith("nowhere:gpu refused: cannot be looked up: ")


@pytest.mark.parametrize("name", ["", "a;id", "$(id)", "-x", "a b", "@a", "a[1-2]"])
def test_a_groups_name_is_no_shell_text(name: str) -> None:
    with pytest.raises(ValueError, match="is not a group's name"):
        resolve_group(name)
