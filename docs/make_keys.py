"""Writes docs/keys.md from the key table: python docs/make_keys.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tui.keys import markdown

if __name__ == "__main__":
    (Path(__file__).parent / "keys.md").write_text(markdown())
