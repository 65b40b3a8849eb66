from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.run import eventlog
from rankdeck.run.eventlog import EventLog, read_events
from rankdeck.run.events import Event, EventKind

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


@pytest.fixture
def run(run_dir: RunDir) -> RunDir:
    run_dir.path.mkdir(parents=True)
    return run_dir


def notes(first: int, last: int) -> list[Event]:
    return [
        Event(seq=n, t=float(n), kind=EventKind.NOTE, message=f"note {n} " + "ü" * (n % 50))
        for n in range(first, last + 1)
    ]


def test_there_are_no_events_before_the_first(run: RunDir) -> None:
    assert read_events(run) == []


def test_events_come_back_as_they_were_written(run: RunDir) -> None:
    log = EventLog(run.events)
    log.append(notes(1, 3))
    log.append(notes(4, 5), sync=True)
    assert read_events(run) == notes(1, 5)
    assert read_events(run, after_seq=3) == notes(4, 5)
    assert read_events(run, after_seq=5) == []
    assert EventLog(run.events).history == tuple(notes(1, 5))


@pytest.mark.parametrize("after", [0, 1, 1999, 4321, 4999, 5000, 9999])
def test_the_end_of_a_long_log_is_found_without_its_beginning(run: RunDir, after: int) -> None:
    EventLog(run.events).append(notes(1, 5000))
    assert run.events.stat().st_size > 300_000
    assert read_events(run, after_seq=after) == notes(after + 1, 5000)


def test_every_torn_end_is_cut_off_and_the_log_goes_on(run: RunDir) -> None:
    EventLog(run.events).append(notes(1, 3))
    whole = run.events.read_bytes()
    last = whole[: whole.rindex(b"\n", 0, -1) + 1]
    for length in range(len(last), len(whole)):
        run.events.write_bytes(whole[:length])
        assert read_events(run) == notes(1, 2), length
        log = EventLog(run.events)
        assert log.history == tuple(notes(1, 2))
        log.append(notes(3, 3))
        log.close()
        assert run.events.read_bytes() == whole


@pytest.mark.parametrize("rubbish", [b"\0" * 100 + b"\n", b"{}\n", b'{"seq":1\n', b"\xff\n\n"])
def test_whole_lines_of_rubbish_at_the_end_are_cut_off_too(run: RunDir, rubbish: bytes) -> None:
    EventLog(run.events).append(notes(1, 2))
    good = run.events.read_bytes()
    run.events.write_bytes(good + rubbish)
    assert read_events(run) == notes(1, 2)
    EventLog(run.events).append(notes(3, 3))
    assert read_events(run) == notes(1, 3)
    assert run.events.read_bytes().startswith(good)


def test_what_does_not_fit_leaves_no_trace(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(run.events)
    log.append(notes(1, 2))
    before = run.events.read_bytes()

    def nearly_full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(eventlog, "write_all", nearly_full)
        with pytest.raises(OSError, match="No space"):
            log.append(notes(3, 4))
    assert run.events.read_bytes() == before
    log.append(notes(3, 4))
    assert read_events(run) == notes(1, 4)
