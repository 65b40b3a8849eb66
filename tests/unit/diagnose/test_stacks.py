"""Stacks as faulthandler writes them, and which ranks are at the same place."""

from __future__ import annotations

import pytest

from rankdeck.cli.stacks import told
from rankdeck.diagnose.stacks import Frame, RankStack, StackGroup, group_stacks, read_stack

DUMP = """Thread 0x00007f1200000700 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 324 in wait
  File "/usr/lib/python3.11/threading.py", line 1002 in _bootstrap

Current thread 0x00007f1211111740 (most recent call first):
  File "/home/ada/data.py", line 12 in read_batch
  File "/home/ada/train.py", line 40 in <module>
"""
READING = (
    Frame("/home/ada/data.py", 12, "read_batch"),
    Frame("/home/ada/train.py", 40, "<module>"),
)


@pytest.mark.parametrize(
    ("text", "threads"),
    [
        (DUMP, 2),
        # another thread got the signal: the main one is the last all the same
        (DUMP.replace("Thread", "Xhread").replace("Current thread", "Thread")
         .replace("Xhread", "Current thread"), 2),
        (DUMP.partition("\n\n")[2], 1),
        (DUMP.replace("740 (most", "740 [python] (most"), 2),
    ],
)  # fmt: skip
def test_the_main_threads_calls_are_read(text: str, threads: int) -> None:
    assert read_stack(text) == RankStack(main=READING, threads=threads)


@pytest.mark.parametrize(
    "text", ["", "\n", "step 3 loss 0.2\n", 'File "x", line 3 in y', DUMP.split("  File")[0]]
)
def test_anything_else_is_no_stack(text: str) -> None:
    assert read_stack(text) is None


def test_a_line_that_is_not_known_is_a_frame_all_the_same() -> None:
    stack = read_stack('Current thread 0x1 (most recent call first):\n  File "a", line ??? in b\n')
    assert stack is not None
    assert stack.main == (Frame("a", None, "b"),)


def test_equal_stacks_are_put_together_and_the_odd_one_comes_first() -> None:
    waiting = RankStack(main=(Frame("dist.py", 7, "all_reduce"),), threads=3)
    stacks = dict.fromkeys(range(8), waiting)
    stacks[5] = RankStack(main=READING, threads=1)
    groups = group_stacks(stacks)
    assert [group.ranks for group in groups] == [(5,), (0, 1, 2, 3, 4, 6, 7)]
    lines = told(groups, (9,))
    assert lines[:3] == [
        "rank 5",
        "  read_batch  /home/ada/data.py:12",
        "  <module>  /home/ada/train.py:40",
    ]
    assert "7 ranks: 0-4, 6-7" in lines
    assert lines[-1].startswith("no answer from rank 9: ")


def test_hostile_names_do_no_harm_and_deep_stacks_are_cut() -> None:
    frames = (Frame("a\x1b[2J", None, "f\x1b]0;t\x07"), *READING * 20)
    text = "\n".join(told((StackGroup(ranks=(0,), frames=frames),), ()))
    assert "\x1b" not in text
    assert "f  a:?" in text
    assert "… 29 calls further out" in text
