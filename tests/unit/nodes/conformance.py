"""The cases in `tests/data/conformance`, and what to hold against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "data" / "conformance"


def cases(name: str, kind: str = "") -> list[Any]:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    return [case for case in found if not kind or case["kind"] == kind]


def case_id(case: Any) -> str:
    return str(case["id"])
