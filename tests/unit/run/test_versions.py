"""What is told of nodes whose launchers differ."""

from __future__ import annotations

import pytest

from rankdeck.run.versions import versions_note


@pytest.mark.parametrize(
    ("modules", "note"),
    [
        ({}, ""),
        ({"a": "torch 2.9.0", "b": "torch 2.9.0"}, ""),
        # nothing is said of what is not known
        ({"a": "torch 2.9.0", "b": "torch", "c": ""}, ""),
        (
            {"a": "torch 2.9.0", "b": "torch 2.1.0", "c": "torch 2.9.0"},
            "the nodes are not alike: torch 2.9.0 on a, c; torch 2.1.0 on b",
        ),
        (
            {"z": "torch 2.1.0", **{f"n{number}": "torch 2.9.0" for number in range(5)}},
            "the nodes are not alike: torch 2.1.0 on z; torch 2.9.0 on n0, n1, n2 and 2 more",
        ),
    ],
)
def test_nodes_that_differ(modules: dict[str, str], note: str) -> None:
    assert versions_note(modules) == note
