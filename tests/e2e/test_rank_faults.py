"""How ranks die: the state, the codes and the culprit are right, and nothing is left running."""

from __future__ import annotations

import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import ALL_HERE, assert_nothing_left, carriers, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

VICTIM = """
import os, sys, time, signal
rank = int(os.environ["RANK"])
print("hello from", rank, flush=True)
{all_here}
if rank == 1:
    {deed}
time.sleep(60)
"""


def run_failing(
    cli: Cli, path: Path, *options: str, nproc: int = 3
) -> tuple[dict[str, Any], str, float]:
    start = time.monotonic()
    done = cli("run", "--launcher", "direct", "--nproc-per-node", str(nproc), *options, path)
    elapsed = time.monotonic() - start
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback (most recent call last)" not in done.stderr.replace("│ Traceback", "")
    show = cli.show()
    assert show["state"] == "failed"
    assert_nothing_left(show["id"])
    return show, done.stdout + done.stderr, elapsed


@pytest.mark.parametrize(
    ("deed", "exit_code", "signal_number", "words"),
    [
        ("raise ValueError('boom at step 7')", 1, None, "boom at step 7"),
        ("sys.exit(3)", 3, None, "3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", None, signal.SIGKILL, "SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", None, signal.SIGSEGV, "SIGSEGV"),
        ("os._exit(77)", 77, None, "77"),
    ],
)
def test_culprit_and_its_own_code(
    cli: Cli,
    program: Callable[..., Path],
    deed: str,
    exit_code: int | None,
    signal_number: int | None,
    words: str,
) -> None:
    show, _, _ = run_failing(
        cli, program(VICTIM.format(deed=deed, all_here=ALL_HERE)), "--grace", "3"
    )
    culprit = show["ranks"][1]
    assert (culprit["exit_code"], culprit["signal"]) == (exit_code, signal_number)
    assert culprit["state"] == "failed"
    assert {show["ranks"][0]["state"], show["ranks"][2]["state"]} == {"killed"}
    assert show["failure"]["rank"] == 1
    assert words in show["failure"]["summary"] + " ".join(show["failure"]["evidence"])
    assert sorted(show["failure"]["collateral_ranks"]) == [0, 2]
    assert words in cli.ok("why", "last")


def test_rank_that_ignores_term_is_killed_after_the_grace(
    cli: Cli, program: Callable[..., Path]
) -> None:
    text = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + VICTIM.format(
        deed="sys.exit(5)", all_here=ALL_HERE
    )
    show, _, _ = run_failing(cli, program(text), "--grace", "1")
    assert show["ranks"][1]["exit_code"] == 5
    assert show["ranks"][0]["signal"] == signal.SIGKILL


def test_daemon_left_by_a_rank_is_ended(cli: Cli, program: Callable[..., Path]) -> None:
    # nobody else on this machine sleeps for just as long
    seconds = f"6{uuid.uuid4().int % 10**9:09}"
    text = f"""
import os, subprocess, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
subprocess.Popen(["env", "-i", "setsid", "sleep", "{seconds}"])
time.sleep(0.5)
print("done", flush=True)
"""
    done = cli("run", "--launcher", "direct", program(text))
    assert done.returncode == 0, done.stderr
    assert_nothing_left(cli.show()["id"])
    until(lambda: not _sleepers(seconds))


def _sleepers(argument: str) -> list[int]:
    from pathlib import Path

    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (entry / "cmdline").read_bytes() == b"sleep\0" + argument.encode() + b"\0":
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def test_stop_gives_the_ranks_their_grace(cli: Cli, program: Callable[..., Path]) -> None:
    text = """
import os, signal, sys, time
def leave(number, frame):
    print("checkpoint written", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("step 1/9", flush=True)
while True:
    time.sleep(0.1)
"""
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "2", program(text))
    cli.until_rank(0, "stepping")
    cli.until_rank(1, "stepping")
    cli.ok("stop", "last")
    show = cli.show()
    assert show["state"] == "stopped"
    assert b"checkpoint written" in cli.log(0)
    assert b"checkpoint written" in cli.log(1)
    assert cli("wait", "last").returncode == 130
    assert_nothing_left(show["id"])


def test_kill_does_not_wait(cli: Cli, program: Callable[..., Path]) -> None:
    text = (
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(600)\n"
    )
    cli.ok("run", "-d", "--launcher", "direct", "--grace", "300", program(text))
    cli.until_rank(0, "output")
    cli.ok("kill", "last")
    show = cli.show()
    assert show["ranks"][0]["signal"] == signal.SIGKILL
    assert_nothing_left(show["id"])


def test_time_limit_ends_the_run(cli: Cli, program: Callable[..., Path]) -> None:
    done = cli(
        "run", "--launcher", "direct", "--time-limit", "1s", program("import time; time.sleep(99)")
    )
    assert done.returncode == 1
    show = cli.show()
    assert show["failure"]["category"] == "time-limit"
    assert_nothing_left(show["id"])


def test_restart_until_it_succeeds(cli: Cli, program: Callable[..., Path], tmp_path: Path) -> None:
    marker = tmp_path / "tries"
    text = f"""
import os, pathlib, sys
marker = pathlib.Path({str(marker)!r})
tries = len(marker.read_text()) if marker.exists() else 0
if os.environ["RANK"] == "0":
    marker.write_text("x" * (tries + 1))
    print("try", tries, flush=True)
    sys.exit(0 if tries == 2 else 9)
"""
    done = cli("run", "--launcher", "direct", "--max-restarts", "3", program(text))
    assert done.returncode == 0, done.stderr
    assert cli.show()["attempt"] == 2
    assert [cli.log(0, attempt).split() for attempt in (0, 1, 2)] == [
        [b"try", b"0"],
        [b"try", b"1"],
        [b"try", b"2"],
    ]


def test_restarts_run_out(cli: Cli, program: Callable[..., Path]) -> None:
    done = cli("run", "--launcher", "direct", "--max-restarts", "1", program("raise SystemExit(4)"))
    assert done.returncode == 1
    show = cli.show()
    assert show["attempt"] == 1
    assert show["ranks"][0]["exit_code"] == 4
    assert not carriers(show["id"])
