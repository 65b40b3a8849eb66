from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.launch_env import LaunchEnv, read_launch_env, remove_launch_env, write_launch_env
from rankdeck.run.lock import acquire_lock, lock_holder
from rankdeck.run.process import start_time, this_process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from rankdeck.run.layout import RunDir

HOLD = (
    "import sys; from pathlib import Path; from rankdeck.run.lock import acquire_lock\n"
    "print(acquire_lock(Path(sys.argv[1])) is not None, flush=True); sys.stdin.read()"
)


def test_one_process_holds_the_lock_and_everybody_knows_which(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.lock"
    assert lock_holder(path) is None
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert lock_holder(path) == holder.pid
    assert lock_holder(path) == holder.pid, "asking does not take it"
    assert acquire_lock(path) is None
    holder.kill()
    holder.communicate()
    assert lock_holder(path) is None
    descriptor = acquire_lock(path)
    assert descriptor is not None
    os.close(descriptor)


def test_processes_are_known_by_their_start_time() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert start_time(me.pid) == me.starttime
    child = subprocess.Popen(["sleep", "60"])
    started = start_time(child.pid)
    assert started is not None
    assert started >= me.starttime
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None, "a zombie has ended"
    child.wait()
    assert start_time(child.pid) is None


def test_a_process_with_a_name_made_to_confuse(tmp_path: Path) -> None:
    name = tmp_path / "a) S 1 (b"
    name.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(name), "60"])
    try:
        assert start_time(child.pid) is not None
    finally:
        child.kill()
        child.wait()


def test_any_environment_survives(run_dir: RunDir, tmp_path: Path) -> None:
    run_dir.path.mkdir(parents=True)
    environ = {
        "PLAIN": "value",
        "中文": "训练 🚀",
        "BYTES": os.fsdecode(b"\xff\x80\n\t'\"$(x)`"),
        "EMPTY": "",
        "RANKDECK_RUN_ID": "of-an-outer-run",
    }
    write_launch_env(run_dir, LaunchEnv.of(tmp_path, environ))
    assert run_dir.launch_env.stat().st_mode & 0o777 == 0o600
    found = read_launch_env(run_dir)
    assert found is not None
    del environ["RANKDECK_RUN_ID"]
    assert found.variables() == environ
    assert found.cwd == str(tmp_path)
    remove_launch_env(run_dir)
    assert read_launch_env(run_dir) is None
    remove_launch_env(run_dir)


def test_the_umask_is_recorded_without_changing_it(tmp_path: Path) -> None:
    old = os.umask(0o026)
    try:
        assert LaunchEnv.of(tmp_path, {}).umask == 0o026
        assert os.umask(0o026) == 0o026
    finally:
        os.umask(old)


def test_the_supervisor_loads_nothing_of_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        # what msgspec itself needs differs from Python to Python
        "import sys, msgspec\n"
        "before = set(sys.modules)\n"
        "import rankdeck.run.supervisor, backends.local\n"
        "print(msgspec.json.encode(sorted(set(sys.modules) - before)).decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(msgspec.json.decode(done.stdout, type=list[str]))
    heavy = {"click", "yaml", "psutil", "paramiko", "textual", "rich", "torch", "subprocess"}
    assert loaded & heavy == set()
    assert "rankdeck.diagnose.first_failure" not in loaded
