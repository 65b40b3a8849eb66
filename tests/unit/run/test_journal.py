from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run import eventlog, files, journal
from rankdeck.run.eventlog import read_events
from rankdeck.run.events import Event, EventKind
from rankdeck.run.journal import Journal
from rankdeck.run.state import Progress, RunPhase
from rankdeck.run.stored import read_state
from tests.unit.run.simulation import make_plan

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


@pytest.fixture
def run(run_dir: RunDir) -> RunDir:
    run_dir.path.mkdir(parents=True)
    run_dir.plan.write_bytes(msgspec.json.encode(make_plan(run_dir, ["a"], 1)))
    return run_dir


def open_journal(run: RunDir) -> Journal:
    return Journal(run, make_plan(run, ["a"], 1))


def moved(state: str) -> Event:
    return Event(seq=0, t=1.0, kind=EventKind.RUN_STATE, state=state)


def test_events_are_numbered_and_folded(run: RunDir) -> None:
    first = open_journal(run)
    first.record([moved("starting"), moved("running")])
    second = open_journal(run)
    assert second.state == first.state
    second.record([moved("stopping")])
    assert [event.seq for event in read_events(run)] == [1, 2, 3]
    assert second.state.state is RunPhase.STOPPING


def test_progress_survives_a_change_of_supervisors(run: RunDir) -> None:
    first = open_journal(run)
    first.record([moved("running")])
    first.progress(Progress(step=7))
    first.publish()
    assert open_journal(run).state.progress == Progress(step=7)


class Disk:
    """Has room for so many bytes; the reserve gives some back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        monkeypatch.setattr(files, "write_all", self.write)
        monkeypatch.setattr(eventlog, "write_all", self.write)
        release = journal.Reserve.release

        def releasing(reserve: journal.Reserve) -> None:
            if reserve._made:
                self.room += 100_000
            release(reserve)

        monkeypatch.setattr(journal.Reserve, "release", releasing)

    def write(self, descriptor: int, data: bytes) -> None:
        if len(data) > self.room:
            os.write(descriptor, data[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        os.write(descriptor, data)


def test_the_reserve_holds_the_last_words(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    journal_ = open_journal(run)
    journal_.reserve()
    assert (run.path / ".reserve").stat().st_blocks * 512 >= 256 * 1024
    Disk(monkeypatch, room=10)
    journal_.record([moved("failed")])
    journal_.publish()
    assert journal_.disk_full
    assert not (run.path / ".reserve").exists()
    assert read_state(run).state is RunPhase.FAILED
    assert [event.state for event in read_events(run)] == ["failed"]


def test_what_does_not_fit_is_written_when_there_is_room(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_ = open_journal(run)
    disk = Disk(monkeypatch, room=0)
    journal_.record([moved("starting")])
    journal_.publish()
    journal_.record([moved("running")])
    assert read_events(run) == []
    assert journal_.state.state is RunPhase.RUNNING
    disk.room = 10_000
    journal_.publish()
    assert [event.seq for event in read_events(run)] == [1, 2]
    assert read_state(run).state is RunPhase.RUNNING
    assert journal_.disk_full
    journal_.reserve()
    assert not journal_.disk_full, "there is plenty again"


def test_the_reserve_is_given_back_at_the_end(run: RunDir) -> None:
    journal_ = open_journal(run)
    journal_.reserve()
    journal_.finish()
    assert not (run.path / ".reserve").exists()
