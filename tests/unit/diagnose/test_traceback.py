from __future__ import annotations

import random

import pytest

from rankdeck.diagnose.traceback import last_traceback

PLAIN = """\
step 3 loss 3.7
Traceback (most recent call last):
  File "/home/ada/gpt/train.py", line 48, in <module>
    main()
  File "/home/ada/gpt/train.py", line 41, in main
    raise ValueError("boom")
ValueError: boom
"""

CHAINED = """\
Traceback (most recent call last):
  File "/home/ada/a.py", line 1, in f
    {}["lr"]
KeyError: 'lr'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/home/ada/a.py", line 9, in <module>
    g()
  File "/opt/venv/lib/python3.11/site-packages/lib.py", line 3, in g
    raise RuntimeError("no lr") from error
RuntimeError: no lr
"""

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/home/ada/a.py", line 2, in <module>
  |     raise ExceptionGroup("several", [ValueError("x")])
  | ExceptionGroup: several (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: x
    +------------------------------------
"""

SYNTAX = """\
  File "/home/ada/train.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
"""

SEGFAULT = """\
step 3
Fatal Python error: Segmentation fault

Current thread 0x00007f8d8e0b2b80 (most recent call first):
  File "/opt/python/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/home/ada/gpt/prog.py", line 13 in culprit
  File "/home/ada/gpt/prog.py", line 48 in <module>

Extension modules: numpy._core._multiarray_umath (total: 1)
"""

TERMINATE = """\
terminate called after throwing an instance of 'c10::Error'
  what():  CUDA error: an illegal memory access was encountered
Exception raised from c10_cuda_check_implementation
"""


def test_a_traceback_with_its_own_innermost_frame() -> None:
    trace = last_traceback(PLAIN)
    assert trace is not None
    assert (trace.type, trace.message, trace.where) == ("ValueError", "boom", "train.py:41 in main")
    assert (trace.first_line, trace.crash) == (1, False)
    assert trace.lines == tuple(PLAIN.splitlines()[1:])


@pytest.mark.parametrize("prefix", ["[rank0]: ", "[rank12]:", "[default3]:", "3: ", "[0]: "])
def test_prefixes_of_launchers_are_no_part_of_it(prefix: str) -> None:
    trace = last_traceback("\n".join(prefix + line for line in PLAIN.splitlines()))
    assert trace is not None
    assert (trace.type, trace.where) == ("ValueError", "train.py:41 in main")
    assert trace.lines[0].startswith("Traceback")


def test_what_looks_like_a_prefix_inside_a_line_stays() -> None:
    line = '    if rank == 1: raise ValueError(table[3] + "boom")'
    trace = last_traceback(PLAIN.replace('    raise ValueError("boom")', line))
    assert trace is not None
    assert line in trace.lines


def test_a_chain_is_one_and_its_last_exception_counts() -> None:
    trace = last_traceback("noise\n" + CHAINED + "more noise\n")
    assert trace is not None
    assert (trace.type, trace.message) == ("RuntimeError", "no lr")
    assert trace.where == "a.py:9"
    assert trace.innermost.endswith("site-packages/lib.py")
    assert "KeyError: 'lr'" in trace.lines


def test_the_last_of_several_counts() -> None:
    trace = last_traceback(CHAINED + "went on\n" + PLAIN)
    assert trace is not None
    assert trace.type == "ValueError"
    assert "went on" not in trace.lines


def test_an_unfinished_one_does_not_count() -> None:
    trace = last_traceback(
        PLAIN + 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'
    )
    assert trace is not None
    assert trace.type == "ValueError"
    assert last_traceback("Traceback (most recent call last):\n") is None


def test_a_message_of_several_lines() -> None:
    trace = last_traceback(PLAIN + "    size mismatch for a.weight\n\tmore\nother output\n")
    assert trace is not None
    assert trace.message == "boom"
    assert trace.lines[-2:] == ("    size mismatch for a.weight", "\tmore")


def test_an_exception_without_a_message_and_one_with_a_dotted_name() -> None:
    for told, kind in (("KeyboardInterrupt", "KeyboardInterrupt"), ("torch.X: y", "torch.X")):
        trace = last_traceback(PLAIN.replace("ValueError: boom", told))
        assert trace is not None
        assert trace.type == kind


def test_an_exception_group() -> None:
    trace = last_traceback(GROUP)
    assert trace is not None
    assert (trace.type, trace.message) == ("ExceptionGroup", "several (1 sub-exception)")


def test_a_syntax_error_of_the_script_itself() -> None:
    trace = last_traceback(SYNTAX)
    assert trace is not None
    assert (trace.type, trace.message, trace.where) == (
        "SyntaxError",
        "invalid syntax",
        "train.py:3",
    )


def test_a_crash_tells_the_innermost_frame_of_the_program() -> None:
    trace = last_traceback(PLAIN + SEGFAULT)
    assert trace is not None
    assert (trace.crash, trace.message) == (True, "Segmentation fault")
    assert trace.where == "prog.py:13 in culprit"
    assert not any("Extension modules" in line for line in trace.lines)


def test_a_c_plus_plus_exception() -> None:
    trace = last_traceback("step 1\n" + TERMINATE)
    assert trace is not None
    assert (trace.crash, trace.type) == (True, "c10::Error")
    assert trace.message == "CUDA error: an illegal memory access was encountered"


def test_a_c_plus_plus_exception_that_python_reports_as_a_crash() -> None:
    trace = last_traceback(TERMINATE + SEGFAULT.replace("Segmentation fault", "Aborted"))
    assert trace is not None
    assert (trace.crash, trace.thrown, trace.type) == (True, True, "c10::Error")
    assert trace.message == "CUDA error: an illegal memory access was encountered"
    assert trace.where == "prog.py:13 in culprit"
    assert trace.lines[0].startswith("terminate called")


def test_a_crash_outside_of_python_has_no_place() -> None:
    trace = last_traceback(
        "terminate called without an active exception\nFatal Python error: Aborted\n\n"
        "Thread 0x00007f78f5fffb80 (most recent call first):\n  <no Python frame>\n"
    )
    assert trace is not None
    assert (trace.crash, trace.thrown, trace.where) == (True, False, "")


def test_a_traceback_after_a_crash_counts() -> None:
    trace = last_traceback(SEGFAULT + PLAIN)
    assert trace is not None
    assert not trace.crash


def test_colours_and_carriage_returns_do_not_hide_it() -> None:
    text = " 50%|##\r100%|####\r\n" + PLAIN.replace("\n", "\r\n")
    text = text.replace("ValueError:", "\x1b[1;31mValueError\x1b[0m:")
    trace = last_traceback(text)
    assert trace is not None
    assert (trace.type, trace.message) == ("ValueError", "boom")


def test_no_text_at_all_defeats_it() -> None:
    dice = random.Random(5)
    lines = [
        *PLAIN.splitlines(),
        *CHAINED.splitlines(),
        *GROUP.splitlines(),
        *SEGFAULT.splitlines(),
    ]
    lines += [*TERMINATE.splitlines(), *SYNTAX.splitlines(), "", "  ", "x" * 2000, "\x1b[", "| "]
    for _ in range(3000):
        last_traceback("\n".join(dice.choices(lines, k=dice.randrange(12))))


def test_ordinary_output_is_none() -> None:
    assert last_traceback("step 1 loss 2\nWarning: slow\nValueError: is just mentioned\n") is None
    assert last_traceback("") is None
