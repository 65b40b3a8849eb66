from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.first_error import ERRORS, first_errors
from tests.unit.logs.rank_writers import Writer

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = b"""\
[rank1]: Traceback (most recent call last):
[rank1]:   File "a.py", line 1, in <module>
[rank1]:     f()
[rank1]: KeyError: 'lr'

[rank1]: During handling of the above exception, another exception occurred:

[rank1]: Traceback (most recent call last):
[rank1]:   File "a.py", line 3, in <module>
[rank1]: ValueError: boom
after
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Traceback (most recent call last):", True),
        ("ValueError: boom", True),
        ("torch.OutOfMemoryError: CUDA out of memory.", True),
        ("RuntimeException at 3", True),
        ("ERROR: no such file", True),
        ("ERRORS: 0", False),
        ("ERROR: 0", False),
        ("FAILED 0 of 12", False),
        ("fatal: not a repository", True),
        ("FatalThings", False),
        ("Segmentation fault (core dumped)", True),
        ("errors 0, warnings 3", False),
        ("error: it broke", True),
        ("terror: no", False),
        ("using ErrorHandler", False),
        ("step 10 loss 1.8", False),
        ("Aborted", True),
        ("Aborted runs are kept", True),
        ("was Aborted", False),
    ],
)
def test_what_tells_of_an_error(line: str, told: bool) -> None:
    assert (ERRORS.find(line.encode()) is not None) is told
    assert bool(list(ERRORS.scan(b"").lines(line.encode(), 0, len(line)))) is told


def test_the_first_error_of_each_rank_in_order_of_time(tmp_path: Path) -> None:
    writers = [Writer(tmp_path, rank, clock_ahead=10.0 * (rank == 1)) for rank in range(5)]
    writers[0].write(b"fine\n")
    writers[0].note(100.0)
    writers[0].write(b"RuntimeError: peer lost\n")
    writers[0].note(105.0)
    writers[1].write(b"up\n" + CHAIN)
    writers[1].note(103.0)
    writers[2].write(b"all is well\n")
    writers[2].note(100.0)
    writers[3].write(b"Segmentation fault\n")
    errors = first_errors([writer.log for writer in writers])
    assert [(error.rank, error.line.data, error.message.data) for error in errors] == [
        (1, b"[rank1]: Traceback (most recent call last):", b"[rank1]: ValueError: boom"),
        (0, b"RuntimeError: peer lost", b"RuntimeError: peer lost"),
        (3, b"Segmentation fault", b"Segmentation fault"),
    ]
    assert [error.time for error in errors] == [
        pytest.approx(103.0, abs=0.25),
        pytest.approx(105.0, abs=0.25),
        None,
    ]
    assert [error.offset for error in errors] == [3, 5, 0]
    assert all(error.whole for error in errors)


def test_of_a_huge_log_the_end_is_looked_at(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 0)
    writer.write(b"ERROR: early\n" + b"line\n" * 100_000 + b"ERROR: late\n")
    (error,) = first_errors([writer.log], most=1000)
    assert (error.line.data, error.whole) == (b"ERROR: late", False)
    (error,) = first_errors([writer.log])
    assert (error.line.data, error.whole) == (b"ERROR: early", True)
