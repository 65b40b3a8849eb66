"""GPU load as the agent tells it, against stand-ins: figures, faults, drivers that never answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent import gpu_feed
from rankdeck.agent.gpu_feed import GpuFeed
from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.run.node_state import NodeOutcome
from tests.agent.gpu_standins import Figures, build_nvml, gpu, samplers
from tests.agent.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rankdeck.run.node_state import GpuLoad, NodeState
    from tests.agent.harness import AgentRun

SLEEP = "import time\ntime.sleep(600)"
SMI = """#!/bin/sh
[ "$2 $3" = "--format=csv,noheader,nounits -l2" ] || exit 2
while :; do
    echo "0, GPU-a, Tesla T4, 55, 900, 15360, 50, 60.12, [N/A]"
    echo "Unable to determine the device handle for GPU 0000:3B:00.0: Unknown Error"
    exec sleep 600
done
"""


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Figures]:
    """An NVML for everything that is started; at the end no sampler may be left."""
    build_nvml(tmp_path)
    figures = Figures(tmp_path / "figures")
    monkeypatch.setenv("RANKDECK_GPUS", "nvml")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("STANDIN_NVML", str(figures.path))
    monkeypatch.setenv("STANDIN_FOLDER", str(tmp_path))
    yield figures
    until(lambda: not samplers(tmp_path), f"left: {samplers(tmp_path)}")


def gpus_of(state: NodeState) -> GpuLoad | None:
    return state.load.gpus if state.load else None


def until_gpus(agent: AgentRun, count: int = 1) -> GpuLoad:
    """The GPUs once all of them have been asked."""

    def there(state: NodeState) -> bool:
        found = gpus_of(state)
        return found is not None and len(found.devices) == count

    found = gpus_of(agent.until(there))
    assert found is not None
    return found


def test_every_gpu_is_told_with_its_figures_and_the_ranks_with_theirs(
    agent: AgentRun, nvml: Figures, tmp_path: Path
) -> None:
    nvml.show(
        gpu(0, util=97, used=71_234, temp=64),
        gpu(1, util=3, temp=88, ecc=2, reasons=0x44),
        gpu(2, reasons=0x4),
        gpu(3, "bare", used=5),
    )
    agent.ranks(SLEEP, nproc=2, env={"CUDA_VISIBLE_DEVICES": "GPU-0003,1"})
    load = until_gpus(agent, 4)
    assert (load.source, load.model, load.silent, load.problem) == ("nvml", "H100", False, "")
    first, hot, capped, bare = load.devices
    assert (first.util, first.mem_used, first.mem_total) == (97, 71_234 << 20, 81_559 << 20)
    assert (first.temp, first.power, first.throttle, first.ecc_errors) == (64, 400, "", None)
    assert (hot.util, hot.throttle, hot.ecc_errors) == (3, "thermal", 2)
    assert capped.throttle == "", "a power cap is everyday"
    assert (bare.util, bare.temp, bare.mem_used, bare.error) == (None, None, 5 << 20, "")
    state = agent.until(lambda state: state.ranks[0].gpu is not None)
    assert [rank.gpu for rank in state.ranks] == [3, 1]
    ((_, words),) = samplers(tmp_path).items()
    assert agent.id not in words
    agent.send("stop")
    assert agent.done().outcome is NodeOutcome.STOPPED


def test_a_lost_gpu_and_its_xid_are_told_and_the_others_go_on(
    agent: AgentRun, nvml: Figures
) -> None:
    nvml.show(gpu(0), gpu(1), gpu(2, "hidden"))
    agent.ranks(SLEEP)
    assert not any(device.error for device in until_gpus(agent, 2).devices)
    nvml.show(gpu(0, util=11), gpu(1, "lost", xid=79), gpu(2, "hidden"))

    def told(state: NodeState) -> bool:
        # one may have been asked before the figures changed, the other after
        load = gpus_of(state)
        return load is not None and (load.devices[0].util, load.devices[-1].xid) == (11, 79)

    load = gpus_of(agent.until(told))
    assert load is not None
    assert (load.devices[0].util, load.devices[0].error) == (11, "")
    assert (load.devices[1].util, load.devices[1].error) == (None, "GPU is lost")
    assert load.devices[1].mem_total == 81_559 << 20
    agent.send("kill")
    agent.done()


def test_a_driver_that_never_answers_holds_nothing_up(agent: AgentRun, nvml: Figures) -> None:
    nvml.show(gpu(0), gpu(1))
    agent.ranks(SLEEP)
    until_gpus(agent, 2)
    nvml.show(gpu(0), gpu(1, "hang"))

    def silent(state: NodeState) -> bool:
        load = gpus_of(state)
        return load is not None and load.silent

    load = gpus_of(agent.until(silent))
    assert load is not None
    assert load.problem == "the driver does not answer at GPU 1"
    assert [device.util for device in load.devices] == [None, None]
    before = agent.state()
    assert before is not None
    # its other figures go on
    agent.until(lambda state: state.seq > before.seq + 1 and state.load is not None)
    agent.send("stop")
    assert agent.done().outcome is NodeOutcome.STOPPED


def test_a_driver_that_hangs_at_the_start_is_as_harmless(
    agent: AgentRun, nvml: Figures, tmp_path: Path
) -> None:
    nvml.show("init hang", gpu(0))
    agent.ranks("import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)")
    until(lambda: samplers(tmp_path))
    (agent.project / "go").touch()
    state = agent.done()
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert state.stop is None, "the sampler is nothing that outlived the run"
    assert gpus_of(state) is None, "nothing was known before ten seconds were over"


def test_the_sampler_is_no_leftover_and_dies_with_its_agent(
    agent: AgentRun, nvml: Figures, tmp_path: Path
) -> None:
    nvml.show(gpu(0, "hang"))
    agent.ranks(SLEEP)
    until(lambda: samplers(tmp_path))
    state = agent.state()
    assert state is not None
    os.kill(state.agent.pid, 9)
    until(lambda: not samplers(tmp_path))
    agent.until_nothing_left()


@pytest.fixture
def feed(nvml: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuFeed]:
    """The agent's end of a sampler, with clocks of the test's own."""
    monkeypatch.setattr(gpu_feed.sys, "argv", [str(agent_bundle(tmp_path / "cache"))])
    feed = GpuFeed("nvml")
    yield feed
    samplers_left = feed.pids
    feed.close()
    for pid in samplers_left:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_stuck_sampler_is_ended_and_another_one_started_later(
    feed: GpuFeed, nvml: Figures
) -> None:
    def sampled(tick: float) -> list[object]:
        record = feed.sample([], time.time(), tick)
        return record["devices"] if record else []

    nvml.show(gpu(0, "hang"))
    assert sampled(0.0) == []
    (first,) = feed.pids
    sampled(59.0)
    assert feed.pids == (first,)
    sampled(61.0)
    until(lambda: sampled(62.0) == [] and not feed.pids, "its pipe has ended")
    assert os.waitpid(first, 0)[1] == 9
    nvml.show(gpu(0))
    sampled(91.0)
    assert not feed.pids, "not at once"
    sampled(93.0)
    assert feed.pids
    assert len(until(lambda: sampled(94.0))) == 1


def test_a_driver_that_refuses_is_asked_ever_more_seldom(feed: GpuFeed, nvml: Figures) -> None:
    nvml.show("init 9")
    starts = []
    for tick in range(400):
        before = feed.pids
        record = feed.sample([], time.time(), float(tick))
        if feed.pids and not before:
            starts.append(tick)
            pid = feed.pids[0]
            os.waitpid(pid, 0)
        if tick == 20:
            assert record is not None
            assert (record["silent"], record["problem"]) == (True, "NVML: Driver Not Loaded")
    assert len(starts) == 4
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 2 * gaps[0]


@pytest.mark.parametrize("source", ["any", "nvidia-smi"])
def test_nvidia_smi_takes_over_where_the_library_cannot_be_loaded(
    agent: AgentRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("no library\n")
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI)
    program.chmod(0o700)
    monkeypatch.setenv("RANKDECK_GPUS", source)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_FOLDER", str(tmp_path))
    agent.ranks(SLEEP)
    load = until_gpus(agent)
    assert (load.source, load.model) == ("nvidia-smi", "Tesla T4")
    assert (load.devices[0].util, load.devices[0].mem_used) == (55, 900 << 20)
    # its next line, which may come a moment later
    load = gpus_of(agent.until(lambda state: bool((found := gpus_of(state)) and found.problem)))
    assert load is not None
    assert load.problem.startswith("Unable to determine the device handle")
    agent.send("kill")
    agent.done()
    until(lambda: not samplers(tmp_path))


def test_the_processes_on_a_gpu_are_told_where_their_pids_mean_something_here(
    nvml: Figures, tmp_path: Path
) -> None:
    nvml.show(gpu(0, pid=4242))
    words = agent_command(sys.executable, agent_bundle(tmp_path / "cache"), "--gpus")
    process = subprocess.Popen([*words, "nvml"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    *_, line = (process.stdout.readline() for _ in range(3))
    process.kill()
    process.communicate()
    # in a container the driver's pids are another namespace's
    ours = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"
    assert line.rstrip("\n").split(", ")[12] == ("1 4242" if ours else "")


def test_amd_is_read_from_the_files_of_its_driver(tmp_path: Path) -> None:
    card = tmp_path / "sys" / "class" / "drm" / "card0" / "device"
    card.mkdir(parents=True)
    (card / "gpu_busy_percent").write_text("77\n")
    bundle = agent_bundle(tmp_path / "cache")
    words = [*agent_command(sys.executable, bundle, "--gpus"), "amdgpu", str(tmp_path / "sys")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[:2] == ["# source amdgpu\n", "# asks 0\n"]
    assert lines[2].startswith("0, , AMD GPU, 77.0,")
    process.stdout.close()
    # it ends when nobody reads any more
    assert process.wait(60) == 0


def test_without_any_gpu_nothing_is_told_and_nothing_stays(
    agent: AgentRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKDECK_GPUS", "amdgpu" if not os.path.exists("/dev/kfd") else "off")
    agent.ranks("import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)")
    before = agent.until(lambda state: state.load is not None).load
    assert before is not None
    # whatever there is has had two seconds to say so
    agent.until(lambda state: state.load is not None and state.load.time > before.time)
    (agent.project / "go").touch()
    state = agent.done()
    assert state.load is not None
    assert state.load.gpus is None
    assert agent.agent_log() == ""
