from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.run import control
from rankdeck.run.control import RunCommand, RunCommandKind, discard, read_inbox, send_command

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


@pytest.fixture
def run(run_dir: RunDir) -> RunDir:
    run_dir.path.mkdir(parents=True)
    return run_dir


STOP = RunCommand(command=RunCommandKind.STOP, grace=3.5, by="me@here", reason="enough")


def test_commands_are_read_in_the_order_they_were_given(run: RunDir) -> None:
    kill = RunCommand(command=RunCommandKind.KILL)
    for command in (STOP, kill, STOP):
        send_command(run, command)
    items = read_inbox(run)
    assert [item.command for item in items] == [STOP, kill, STOP]
    assert [item.fault for item in items] == [""] * 3
    discard(run, items[0].file)
    assert [item.command for item in read_inbox(run)] == [kill, STOP]
    assert stat.S_IMODE(run.control.stat().st_mode) == 0o700


def test_an_empty_or_missing_inbox(run: RunDir) -> None:
    assert read_inbox(run) == []
    run.control.mkdir()
    (run.control / ".half-written.tmp").write_text("{")
    assert read_inbox(run) == []


def test_a_command_can_be_given_on_a_full_disk(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(control, "write_all", full)
    send_command(run, STOP)
    (item,) = read_inbox(run)
    assert item.command == RunCommand(command=RunCommandKind.STOP)


def test_an_inbox_that_cannot_be_written_to(run: RunDir) -> None:
    run.control.write_text("a file")
    with pytest.raises(UserError, match="could not be left") as caught:
        send_command(run, STOP)
    assert caught.value.exit_code is ExitCode.UNUSABLE


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\x00\xff",
        b'{"command":"dance"}',
        b'{"command":"stop","grace":-0.1}',
        b'{"command":"stop","grace":1e99}',
        b'{"command":"stop","grace":"soon"}',
        b'{"command":"stop"' + b" " * 70_000 + b"}",
        b"",
    ],
)
def test_what_is_no_command_says_why(run: RunDir, content: bytes) -> None:
    run.control.mkdir()
    (run.control / "5.json").write_bytes(content)
    (item,) = read_inbox(run)
    assert item.command is None
    assert item.fault


def test_strange_things_in_the_inbox_do_no_harm(run: RunDir) -> None:
    run.control.mkdir()
    os.mkfifo(run.control / "fifo")
    (run.control / "folder").mkdir()
    (run.control / "link").symlink_to(run.path)
    (run.control / "\udcff.json").write_text("{}")
    items = read_inbox(run)
    assert len(items) == 4
    assert all(item.command is None for item in items)
    for item in items:
        discard(run, item.file)
    assert [entry.name for entry in run.control.iterdir()] == ["folder"]
