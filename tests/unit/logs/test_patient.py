from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rankdeck.errors import UserError
from rankdeck.logs.patient import Patient


def test_lines_are_matched_as_python_does() -> None:
    pattern = rb"(a|b)\1(?!c)"
    patient = Patient(pattern, "x")
    lines = [b"aa", b"aac", b"", b"\xff aab", b"bb" * 50_000, b"ab"]
    told = [match.span() if (match := re.search(pattern, line)) else None for line in lines]
    assert patient.judge(lines) == told
    assert patient.judge([]) == []
    assert patient.judge([b"x"] * 3000 + [b"aa"]) == [None] * 3000 + [(0, 2)]


def test_what_takes_too_long_is_given_up_and_told() -> None:
    patient = Patient(rb"(a+)+(?!a)$", "(a+)+(?!a)$", seconds=0.1)
    assert patient.judge([b"aaa"]) == [(0, 3)]
    for _ in range(2):
        with pytest.raises(UserError, match="takes too long") as caught:
            patient.judge([b"a" * 60 + b"b"])
        assert caught.value.hint


def test_a_process_that_nobody_asked_is_started_again() -> None:
    patient = Patient(rb"a(?!b)", "x", idle=0.02)
    assert patient.judge([b"a"]) == [(0, 1)]
    child = patient._child
    assert child is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert patient.judge([b"ab", b"ac"]) == [None, (0, 1)]
    assert patient._child is not child


def test_nothing_stays_when_nobody_needs_it() -> None:
    patient = Patient(rb"a(?!b)", "x")
    patient.judge([b"a"])
    child = patient._child
    assert child is not None
    del patient
    assert child.returncode is not None


def test_nothing_stays_when_python_ends() -> None:
    program = """
        from rankdeck.logs import engine
        from rankdeck.logs.query import expression
        query = expression("a(?!b)")
        assert query.find(b"ab ac") == (3, 4)
        print(engine.judge_of(query.dialect, query.text, False)._child.pid)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    # it has been waited for, so not even its number is there
    assert not Path("/proc", done.stdout.strip()).exists()
