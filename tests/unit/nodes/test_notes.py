from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import UserError
from rankdeck.nodes.notes import (
    NodeNote,
    NodeNotes,
    avoided,
    note_text,
    read_note,
    read_until,
)

if TYPE_CHECKING:
    from pathlib import Path

NOON = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))


def test_no_file_is_no_notes(tmp_path: Path) -> None:
    assert NodeNotes(tmp_path).read() == {}


def test_notes_are_written_replaced_and_forgotten(tmp_path: Path) -> None:
    notes = NodeNotes(tmp_path)
    notes.write("n1", " bad NVLink ", avoid=True, until=NOON)
    notes.write("n2", "slow disk", avoid=False)
    assert {name: note.text for name, note in notes.read().items()} == {
        "n1": "bad NVLink",
        "n2": "slow disk",
    }
    notes.write("n1", "mended", avoid=False, until=NOON)
    assert notes.read()["n1"].until is None
    notes.clear(["n1", "nobody"])
    assert list(notes.read()) == ["n2"]
    assert (tmp_path / "nodes.json").stat().st_mode & 0o777 == 0o600


def test_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rankdeck.nodes.notes import NodeNotes\n"
        "sys.stdin.read()\n"
        "for i in range(50):\n"
        "    NodeNotes(Path(sys.argv[1])).write(f'{sys.argv[2]}{i}', 'x', avoid=False)"
    )
    # all of them begin when their standard input ends
    gate, opener = os.pipe()
    words = [sys.executable, "-c", program, str(tmp_path)]
    writers = [subprocess.Popen([*words, name], stdin=gate) for name in "abc"]
    os.close(gate)
    os.close(opener)
    assert [writer.wait(240) for writer in writers] == [0, 0, 0]
    assert len(NodeNotes(tmp_path).read()) == 150


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"notes": {"n": 3}}', b"\xff\xfe"])
def test_a_broken_file_is_told_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nodes.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"nodes\.json: the notes on nodes cannot be read"):
        NodeNotes(tmp_path).read()
    with pytest.raises(UserError):
        NodeNotes(tmp_path).write("n", "x", avoid=False)
    assert path.read_bytes() == content


def test_avoided_names_those_that_count_now_in_the_nodes_order() -> None:
    notes = {
        "a": NodeNote(text="bad", avoid=True),
        "b": NodeNote(text="bad until noon", avoid=True, until=NOON),
        "c": NodeNote(text="only a remark"),
    }
    names = ("c", "b", "a", "d")
    assert [name for name, _ in avoided(notes, names, NOON - 1)] == ["b", "a"]
    assert [name for name, _ in avoided(notes, names, NOON)] == ["a"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3d", 3 * 86400), ("12h", 43200), ("2w", 14 * 86400), ("2026-11-21", 43200)],
)
def test_until(text: str, seconds: float) -> None:
    assert read_until(text, NOON) == NOON + seconds


@pytest.mark.parametrize("text", ["", "soon", "3", "-3d", "2026-13-01", "d", "9" * 30 + "d"])
def test_until_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is no day"):
        read_until(text, NOON)


@pytest.mark.parametrize(
    "text",
    [
        "slow disk",
        "avoid",
        "avoid: bad NVLink",
        "avoid until 2026-11-30: bad NVLink: GPU 3",
        "avoid until 2026-11-30",
        "avoiding is not needed",
        "坏的 NVLink",
    ],
)
def test_a_note_is_shown_as_it_is_typed(text: str) -> None:
    assert note_text(read_note(text, NOON), NOON) == text


def test_what_a_typed_note_means() -> None:
    note = read_note("avoid until 2026-11-30: bad NVLink", NOON)
    assert (note.text, note.avoid) == ("bad NVLink", True)
    assert note.avoids(NOON)
    assert not note.avoids(NOON + 10 * 86400)
    assert "was to be avoided" in note_text(note, NOON + 10 * 86400)
    with pytest.raises(ValueError, match="behind `until` is no day"):
        read_note("avoid until soon: x", NOON)
