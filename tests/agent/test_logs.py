"""What ranks write: every byte in order in their own file, and what the agent makes of it."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, RankState
from tests.agent.harness import rank_of

if TYPE_CHECKING:
    from tests.agent.harness import AgentRun

_PAIR = struct.Struct("<dQ")


def pairs(agent: AgentRun, rank: int = 0) -> list[tuple[float, int]]:
    """The (time, offset) pairs of a rank."""
    return list(_PAIR.iter_unpack(agent.node.attempt(0).times(rank).read_bytes()))


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_stdout_and_stderr_keep_their_order(agent: AgentRun, how: str) -> None:
    text = (
        "import os, sys\n"
        "for number in range(500):\n"
        "    os.write(1 + number % 2, b'line %d\\n' % number)\n"
    )
    getattr(agent, how)(text, nproc=2)
    agent.done()
    expected = b"".join(b"line %d\n" % number for number in range(500))
    assert agent.log(0) == expected
    assert agent.log(1) == expected


def test_children_of_a_rank_write_into_its_log(agent: AgentRun) -> None:
    agent.launched("import subprocess\nsubprocess.run(['echo', 'from a child'])", nproc=1)
    agent.done()
    assert agent.log(0) == b"from a child\n"


def test_200_megabytes_without_a_newline(agent: AgentRun) -> None:
    text = "import os\nfor _ in range(200):\n    os.write(1, b'x' * 1000000)\n"
    agent.ranks(text)
    state = agent.done()
    rank = rank_of(state, 0)
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert rank.log_bytes == 200_000_000
    assert agent.node.attempt(0).log(0).stat().st_size == 200_000_000
    assert rank.last_line == "x" * 200
    assert pairs(agent)[-1][1] == 200_000_000


def test_invalid_utf8_is_kept_and_shown_with_replacement(agent: AgentRun) -> None:
    agent.ranks("import os\nos.write(1, b'ok\\n\\xff\\xfe caf\\xc3\\xa9 \\x1b[31mred\\x00\\n')")
    state = agent.done()
    assert agent.log() == b"ok\n\xff\xfe caf\xc3\xa9 \x1b[31mred\x00\n"
    assert rank_of(state, 0).last_line == "\ufffd\ufffd café \x1b[31mred\x00"


def test_a_progress_bar_tells_its_last_state(agent: AgentRun) -> None:
    text = (
        "import sys\n"
        "for number in range(101):\n"
        "    sys.stderr.write('\\r%3d%%|###   | %d/100 [00:01<00:02, 9.1it/s, loss=0.5]'"
        " % (number, number))\n"
    )
    agent.ranks(text)
    state = agent.done()
    rank = rank_of(state, 0)
    assert (rank.step, rank.total_steps) == (100, 100)
    assert rank.last_line.startswith("100%|###   | 100/100 [")
    assert rank.metrics["loss"] == 0.5
    assert "stepping" in rank.times


def test_an_undefined_loss_is_shown_but_no_metric(agent: AgentRun) -> None:
    agent.ranks("print('step 4 loss nan lr 0.1 grad_norm inf')")
    rank = rank_of(agent.done(), 0)
    assert rank.metrics == {"lr": 0.1}
    assert "nan" in rank.last_line


def test_times_follow_the_log(agent: AgentRun) -> None:
    text = "import time\nfor n in range(6):\n    print('line', n, flush=True); time.sleep(0.15)"
    agent.ranks(text)
    state = agent.done()
    found = pairs(agent)
    assert found == sorted(found)
    assert found[-1][1] == rank_of(state, 0).log_bytes == 42
    assert state.started - 5 < found[0][0] <= found[-1][0] <= state.time


def test_what_a_descendant_writes_last_is_counted(agent: AgentRun) -> None:
    text = (
        "import subprocess, sys\n"
        "code = 'import time; time.sleep(0.5); print(\"last\", flush=True); time.sleep(600)'\n"
        "subprocess.Popen([sys.executable, '-c', code, sys.argv[0]], start_new_session=True)\n"
        "print('first', flush=True)\n"
    )
    agent.ranks(text)
    state = agent.done()
    assert rank_of(state, 0).state is RankState.EXITED
    assert rank_of(state, 0).log_bytes == len(agent.log())


def test_a_busy_log_costs_the_rank_nothing(agent: AgentRun) -> None:
    """No pipe is between a rank and its log: it can write while nobody reads."""
    import os
    import signal

    text = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
    text += "for n in range(2000):\n    os.write(1, b'y' * 10000)\nopen('done', 'w').close()\n"
    agent.ranks(text)
    state = agent.until_ranks("spawned")
    os.kill(state.agent.pid, signal.SIGSTOP)
    (agent.project / "go").write_text("")
    from tests.agent.harness import until

    until(lambda: (agent.project / "done").exists())
    os.kill(state.agent.pid, signal.SIGCONT)
    assert rank_of(agent.done(), 0).log_bytes == 20_000_000


def test_load_is_sampled(agent: AgentRun) -> None:
    text = "import os\nwhile not os.path.exists('go'): pass"
    agent.ranks(text)
    # an agent that did not get a core between two looks may be wrong once, not for long
    state = agent.until(lambda state: 0.0 < (state.ranks[0].cpu_percent or 0.0) < 150.0)
    rank, load = state.ranks[0], state.load
    assert rank.rss_bytes is not None
    assert 1 << 20 < rank.rss_bytes < 1 << 30
    assert rank.threads == 1
    assert load is not None
    assert load.cpu_percent is not None
    assert 0.0 <= load.cpu_percent <= 100.0
    assert load.mem_total is not None
    assert load.mem_used is not None
    assert 0 < load.mem_used < load.mem_total
    assert state.disk_free is not None
    assert state.disk_free > 0
    (agent.project / "go").touch()
    assert agent.done().outcome is NodeOutcome.SUCCEEDED


def test_a_rendezvous_is_seen(agent: AgentRun) -> None:
    text = """
import os, socket, time
address = ("127.0.0.1", int(os.environ["MASTER_PORT"]))
if os.environ["RANK"] == "0":
    server = socket.create_server(address)
    peer, _ = server.accept()
else:
    while True:
        try:
            peer = socket.create_connection(address)
            break
        except OSError:
            time.sleep(0.05)
time.sleep(600)
"""
    agent.ranks(text, nproc=2)
    state = agent.until_ranks("rendezvous")
    assert all(rank.times["spawned"] < rank.times["rendezvous"] for rank in state.ranks)
    agent.send("kill")
    agent.done()


def test_a_loop_of_steps_keeps_stepping(agent: AgentRun) -> None:
    text = (
        "import os, time\n"
        "for n in range(1, 400):\n"
        "    while n == 100 and not os.path.exists('go'): time.sleep(0.02)\n"
        "    print(f'step {n}/1000 loss {4 / n:.3f} tok/s {n}.5k', flush=True)\n"
        "    print('noise without a number', flush=True)\n"
        "    time.sleep(0.01)\n"
    )
    agent.ranks(text)
    first = agent.until_ranks("stepping")
    (agent.project / "go").touch()
    later = agent.until(lambda state: (state.ranks[0].step or 0) > (first.ranks[0].step or 0) + 20)
    assert later.ranks[0].total_steps == 1000
    assert later.ranks[0].metrics.keys() == {"loss", "tok/s"}
    assert later.ranks[0].times["stepping"] == first.ranks[0].times["stepping"]
    assert rank_of(agent.done(), 0).metrics["tok/s"] == 399500.0


def test_the_interpreter_is_named(agent: AgentRun) -> None:
    agent.ranks("pass")
    version = ".".join(map(str, sys.version_info[:3]))
    assert agent.done().python == f"{sys.executable} ({version})"
