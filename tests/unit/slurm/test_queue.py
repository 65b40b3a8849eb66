"""The queue: reading squeue, and asking it once for everybody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from backends.slurm.queue import (
    LONGEST,
    SHORTEST,
    NodeTrouble,
    QueuedJob,
    SharedQueue,
    Snapshot,
    parse_reasons,
    parse_squeue,
    pause,
)
from backends.slurm.tools import Slurm

if TYPE_CHECKING:
    from pathlib import Path

LINE = "12|PENDING|2|2026-11-21T15:30:48||Resources|rankdeck:run:0"


@pytest.fixture
def squeue(tmp_path: Path) -> Path:
    """A program named squeue that counts its calls and prints a file, or fails."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "squeue"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"if [ -e {tmp_path}/broken ]; then echo 'squeue: error: no answer' >&2; exit 1; fi\n"
        f"cat {tmp_path}/answer\n"
    )
    program.chmod(0o755)
    (tmp_path / "answer").write_text(LINE + "\n")
    return tmp_path


def shared(folder: Path) -> SharedQueue:
    slurm = Slurm({"PATH": f"{folder}/bin:/usr/bin:/bin", "SQUEUE_FORMAT": "nonsense"})
    return SharedQueue(slurm, folder / "cache")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer stays new, however long this machine takes for the test."""
    monkeypatch.setattr("backends.slurm.queue.SHORTEST", 3000.0)
    monkeypatch.setattr("backends.slurm.queue.LONGEST", 3000.0)


def calls(folder: Path) -> int:
    path = folder / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def age(folder: Path, seconds: float) -> None:
    """Make the last answer older."""
    (path,) = (folder / "cache").glob("slurm-queue*.json")
    known = msgspec.json.decode(path.read_bytes(), type=Snapshot)
    older = msgspec.structs.replace(
        known,
        asked=known.asked - seconds,
        changed=known.changed - seconds,
        answered=known.answered - seconds,
    )
    path.write_bytes(msgspec.json.encode(older))


def test_lines_of_squeue() -> None:
    text = (
        f"{LINE}\n13|RUNNING|1|2026-11-21T15:00:00|node[1-2]|None|a|b\n"
        "14|PENDING|1|N/A||Priority|(null)\n"
    )
    assert parse_squeue(text) == (
        QueuedJob(
            id="12", state="PENDING", nodes=2, start="2026-11-21T15:30:48", reason="Resources",
            comment="rankdeck:run:0",
        ),
        QueuedJob(
            id="13", state="RUNNING", nodes=1, start="2026-11-21T15:00:00", nodelist="node[1-2]",
            reason="None", comment="a|b",
        ),
        QueuedJob(id="14", state="PENDING", nodes=1, reason="Priority"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["12|PENDING", "slurm_load_jobs error", "|||||||"])
def test_what_is_no_answer_of_squeue(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parse_squeue(text)


def test_nodes_with_reasons() -> None:
    text = "node[1-2]|draining|bad disk | again\nnode7|down*|Not responding\n[|x|y\n\n"
    assert parse_reasons(text) == (
        NodeTrouble(nodes=("node1", "node2"), state="draining", reason="bad disk | again"),
        NodeTrouble(nodes=("node7",), state="down", reason="Not responding"),
    )


@pytest.mark.parametrize(
    ("unchanged", "failures", "seconds"),
    [(0, 0, SHORTEST), (10, 0, SHORTEST), (100, 0, 10.0), (9999, 0, LONGEST),
     (0, 1, 4.0), (0, 3, 16.0), (0, 99, LONGEST)],
)  # fmt: skip
def test_the_next_question_comes_later_the_longer_nothing_changes(
    unchanged: float, failures: int, seconds: float
) -> None:
    snapshot = Snapshot(changed=1000.0, failures=failures)
    assert pause(snapshot, 1000.0 + unchanged) == pytest.approx(seconds)


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    assert Snapshot(asked=5000.0).due(1000.0)


@pytest.mark.usefixtures("patient")
def test_two_supervisors_ask_once(squeue: Path) -> None:
    first, second = shared(squeue).look(), shared(squeue).look()
    assert first == second
    assert first.job("12") is not None
    assert first.marked("rankdeck:run:0")[0].id == "12"
    assert calls(squeue) == 1


@pytest.mark.usefixtures("patient")
def test_many_at_once_ask_once(squeue: Path) -> None:
    found: list[Snapshot] = []
    shared(squeue).look()
    age(squeue, 6000.0)
    threads = [
        threading.Thread(target=lambda: found.append(shared(squeue).look())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert calls(squeue) == 2


def test_an_old_answer_is_asked_for_again(squeue: Path) -> None:
    shared(squeue).look()
    age(squeue, 60.0)
    (squeue / "answer").write_text("")
    assert shared(squeue).look().jobs == ()
    assert calls(squeue) == 2


def test_who_needs_it_newer_gets_it(squeue: Path) -> None:
    known = shared(squeue).look()
    assert shared(squeue).look(newer_than=known.asked + 0.001).asked > known.asked
    assert calls(squeue) == 2


def test_an_error_keeps_what_is_known(squeue: Path) -> None:
    known = shared(squeue).look()
    (squeue / "broken").touch()
    told = shared(squeue).look(newer_than=known.asked + 0.001)
    assert told.jobs == known.jobs
    assert told.answered == known.answered
    assert (told.failures, told.error) == (1, "no answer")
    (squeue / "broken").unlink()
    told = shared(squeue).look(newer_than=told.asked + 0.001)
    assert (told.failures, told.error) == (0, "")


def test_no_squeue_at_all_is_an_error_that_says_so(tmp_path: Path) -> None:
    queue = SharedQueue(Slurm({"PATH": str(tmp_path)}), tmp_path / "cache")
    assert "there is no squeue on PATH" in queue.look().error


def test_a_broken_cache_is_made_anew(squeue: Path) -> None:
    shared(squeue).look()
    (path,) = (squeue / "cache").glob("slurm-queue*.json")
    path.write_text("{broken")
    assert shared(squeue).look().job("12") is not None


def test_variables_of_the_shell_do_not_change_the_question(squeue: Path) -> None:
    assert "SQUEUE_FORMAT" not in Slurm({"SQUEUE_FORMAT": "x", "PATH": ""}).environ


def test_clusters_are_told_apart(squeue: Path) -> None:
    environ = {"PATH": f"{squeue}/bin:/usr/bin:/bin"}
    for conf in ("/etc/a.conf", "/etc/b.conf"):
        SharedQueue(Slurm({**environ, "SLURM_CONF": conf}), squeue / "cache").look()
    assert calls(squeue) == 2
