from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.identity import new_run_id, slug
from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RUN_ID, RunStore
from rankdeck.run.stored import read_state, write_state
from tests.unit.run.simulation import make_plan


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "home")
    store.ensure()
    return store


def add(
    store: RunStore,
    run_id: str,
    state: RunPhase = RunPhase.SUCCEEDED,
    *,
    name: str | None = None,
    created: float | None = None,
) -> RunDir:
    run = RunDir(store.runs_dir / run_id)
    run.path.mkdir()
    plan = make_plan(run, ["a"], 1)
    plan = msgspec.structs.replace(plan, name=name or run_id[16:-5])
    run.plan.write_bytes(msgspec.json.encode(plan))
    if created is not None:
        os.utime(run.plan, (created, created))
    write_state(run, msgspec.structs.replace(read_state(run), state=state))
    return run


def ids(store: RunStore, limit: int | None = None) -> list[str]:
    return [summary.id for summary in store.list(limit)]


THREE = ["20260101-000001-one-aaaa", "20260101-000002-two-bbbb", "20260101-000003-one-cccc"]


def test_ids_are_made_of_time_name_and_chance() -> None:
    made = {new_run_id("my run/№1 ", 0.0) for _ in range(20)}
    assert len(made) == 20
    for run_id in made:
        assert re.fullmatch(r"19700101-000000-my-run-1-[a-z2-7]{4}", run_id)
        assert RUN_ID.fullmatch(run_id)
    assert slug("训练") == "run"
    assert slug("../../etc") == "etc"
    assert len(slug("x" * 500)) == 48


def test_an_empty_store(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "nowhere")
    assert store.list() == ()
    with pytest.raises(UserError, match="no runs yet") as caught:
        store.find("last")
    assert caught.value.exit_code is ExitCode.NO_RUN
    assert not store.home.exists(), "looking makes nothing"


def test_newest_first_and_no_more_than_wanted(store: RunStore) -> None:
    for run_id in random.Random(1).sample(THREE, 3):
        add(store, run_id)
    assert ids(store) == THREE[::-1]
    assert ids(store, 2) == THREE[:0:-1]


def test_only_the_newest_directories_are_opened(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rankdeck.run import store as module

    for number in range(30):
        add(store, f"20260101-0000{number:02}-x-aaaa")
    opened: list[str] = []

    def counting(run: RunDir) -> object:
        opened.append(run.id)
        return read_state(run)

    monkeypatch.setattr(module, "read_state", counting)
    assert len(store.list(5)) == 5
    assert sorted(opened) == [f"20260101-0000{n}-x-aaaa" for n in range(25, 30)]
    opened.clear()
    assert len(store.list(5)) == 5
    assert opened == [], "ended runs are read once"


def test_runs_of_one_second_are_ordered_by_time(store: RunStore) -> None:
    add(store, "20260101-000001-a-aaaa", created=1000.9)
    add(store, "20260101-000001-b-bbbb", created=1000.1)
    assert ids(store)[0] == "20260101-000001-a-aaaa"
    assert store.find("last").id == "20260101-000001-a-aaaa"


def test_what_is_no_run_is_passed_over(store: RunStore) -> None:
    add(store, THREE[0])
    for name in ("notes", ".new-20260101-000009-x-aaaa", "20260101-000009-x-aaaa"):
        (store.runs_dir / name).mkdir()
    (store.runs_dir / "20260101-000009-file-aaaa").write_text("")
    broken = add(store, "20260101-000010-x-aaaa")
    broken.plan.write_text("{")
    broken.state.write_text("{")
    assert ids(store) == [THREE[0]]


def test_a_lost_snapshot_is_rebuilt(store: RunStore) -> None:
    run = add(store, THREE[0], RunPhase.FAILED)
    run.state.unlink()
    (summary,) = store.list()
    assert summary.state is RunPhase.PLANNED


def test_living_runs_are_read_every_time(store: RunStore) -> None:
    run = add(store, THREE[0], RunPhase.RUNNING)
    assert store.list()[0].state is RunPhase.RUNNING
    write_state(run, msgspec.structs.replace(read_state(run), state=RunPhase.FAILED))
    assert store.list()[0].state is RunPhase.FAILED


def test_finding_runs(store: RunStore) -> None:
    for run_id in THREE:
        add(store, run_id)
    assert store.find(THREE[0]).id == THREE[0]
    assert store.find("last").id == THREE[2]
    assert store.find("one").id == THREE[2], "the newest of that name"
    assert store.find("bbbb").id == THREE[1]
    assert store.find("20260101-000002").id == THREE[1]


def test_names_in_other_scripts_are_found(store: RunStore) -> None:
    add(store, "20260101-000001-run-aaaa", name="训练 一")
    add(store, "20260101-000002-run-bbbb", name="训练 二")
    assert store.find("训练 一").id == "20260101-000001-run-aaaa"


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("2026", "3 runs match '2026'", "give more of the id"),
        ("on", "no run 'on'", "there is one"),
        ("zzz", "no run 'zzz'", "rankdeck ls"),
        ("", "no run ''", ""),
        ("../../etc", "no run", ""),
        ("/etc", "no run", ""),
    ],
)
def test_a_reference_that_means_no_one_run(
    store: RunStore, ref: str, message: str, hint: str
) -> None:
    for run_id in THREE:
        add(store, run_id)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        store.find(ref)
    assert hint in caught.value.hint
    assert caught.value.exit_code is ExitCode.NO_RUN


def test_an_ambiguous_reference_names_the_candidates(store: RunStore) -> None:
    for run_id in THREE:
        add(store, run_id)
    with pytest.raises(UserError) as caught:
        store.find("2026")
    assert all(run_id in caught.value.message for run_id in THREE)


def test_only_ended_runs_are_removed(store: RunStore) -> None:
    alive = add(store, THREE[0], RunPhase.RUNNING)
    ended = add(store, THREE[1])
    with pytest.raises(UserError, match="has not ended: it is running"):
        store.remove(alive)
    assert alive.path.exists()
    (ended.path / "nodes" / "a").mkdir(parents=True)
    store.list()
    store.remove(ended)
    assert not ended.path.exists()
    assert ids(store) == [THREE[0]]
    assert [entry.name for entry in store.runs_dir.iterdir()] == [THREE[0]]
    with pytest.raises(UserError) as caught:
        store.remove(ended)
    assert caught.value.exit_code is ExitCode.NO_RUN


def test_what_an_interrupted_removal_left_is_cleared(store: RunStore) -> None:
    (store.runs_dir / ".trash-x-1" / "deep").mkdir(parents=True)
    store.remove(add(store, THREE[0]))
    assert list(store.runs_dir.iterdir()) == []


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        RunStore(tmp_path / "deep" / "home").ensure()
    finally:
        os.umask(old)
    for path in (tmp_path / "deep" / "home", tmp_path / "deep" / "home" / "runs"):
        assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_state_directory_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(UserError, match="other users may write") as caught:
        RunStore(home).ensure()
    assert caught.value.hint == f"chmod go-w {home}"
    assert caught.value.exit_code is ExitCode.UNUSABLE


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_state_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    with pytest.raises(UserError, match="belongs to another user"):
        RunStore(home).ensure()


def test_a_state_directory_whose_path_no_plan_could_hold_is_refused(tmp_path: Path) -> None:
    home = tmp_path / os.fsdecode(b"h\xff")
    with pytest.raises(UserError, match=r"h\\xff: the path .* is not UTF-8") as caught:
        RunStore(home).ensure()
    assert caught.value.exit_code is ExitCode.UNUSABLE
    assert not home.exists()


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made") as caught:
        RunStore(tmp_path / "file" / "home").ensure()
    assert "RANKDECK_HOME" in caught.value.hint


NOISE = random.Random(7).randbytes(5000)
RUBBISH = [b"", b"\0" * 4096, b"not json\n" * 50, b"{}\n", b"00000000 {}\n", NOISE]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=["empty", "nul", "words", "json", "sum", "noise"])
def test_a_spoilt_index_loses_nothing(store: RunStore, rubbish: bytes) -> None:
    for run_id in THREE:
        add(store, run_id)
    before = store.list()
    path = store.home / "index-1.jsonl"
    assert path.stat().st_size > 0
    path.write_bytes(rubbish)
    assert store.list() == before
    assert store.list(2) == before[:2]
    path.unlink()
    assert store.list() == before
    assert sorted(store.index.read()) == THREE, "and it is made again"


def test_every_spoilt_byte_of_the_index_is_noticed(store: RunStore) -> None:
    for run_id in THREE:
        add(store, run_id)
    before = store.list()
    path = store.home / "index-1.jsonl"
    whole = path.read_bytes()
    chance = random.Random(5)
    for position in chance.sample(range(len(whole)), 60):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(spoilt))
        assert store.list() == before, position
    for length in chance.sample(range(len(whole)), 30):
        path.write_bytes(whole[:length])
        assert store.list() == before, length


def test_an_index_that_cannot_be_written_is_done_without(store: RunStore) -> None:
    add(store, THREE[0])
    (store.home / "index-1.jsonl").mkdir()
    assert ids(store) == [THREE[0]]


def test_the_index_forgets_removed_runs_in_time(store: RunStore) -> None:
    for number in range(130):
        add(store, f"20260101-000{number:03}-x-aaaa")
    store.list()
    for number in range(125):
        store.remove(RunDir(store.runs_dir / f"20260101-000{number:03}-x-aaaa"))
    store.list()
    assert len(store.index.read()) == 5


def test_writers_at_the_same_time_leave_a_sound_index(store: RunStore) -> None:
    for number in range(60):
        add(store, f"20260101-0000{number:02}-x-aaaa")
    script = (
        "import sys; from pathlib import Path; from rankdeck.run.store import RunStore\n"
        "store = RunStore(Path(sys.argv[1]))\n"
        "for limit in list(range(1, 61)) * 3: store.list(limit)\n"
    )
    command = [sys.executable, "-c", script, str(store.home)]
    writers = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(4)]
    assert [writer.wait(timeout=240) for writer in writers] == [0] * 4
    lines = (store.home / "index-1.jsonl").read_bytes().splitlines()
    found = store.index.read()
    assert len(found) <= 60
    assert {len(line) > 9 for line in lines} == {True}
    assert len(found) == len({line.split(b" ", 1)[1] for line in lines}), "no line is torn"


def test_what_is_added_after_a_torn_line_is_found(store: RunStore) -> None:
    for run_id in THREE:
        add(store, run_id)
    summaries = store.list()
    path = store.home / "index-1.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    store.index.add(summaries[:1])
    assert set(store.index.read()) >= {summaries[0].id}


def test_a_writer_waits_for_nobody(store: RunStore) -> None:
    add(store, THREE[0])
    hold = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(store.home / "index.lock")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert ids(store) == [THREE[0]]
    assert store.index.read() == {}
    holder.communicate()
    assert ids(store) == [THREE[0]]
    assert list(store.index.read()) == [THREE[0]]
