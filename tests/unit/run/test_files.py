from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run import files
from rankdeck.run.files import WatchedFile, read_regular, write_atomic

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old")
    first = path.stat().st_ino
    write_atomic(path, b"new", sync=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old")

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10)
    assert read_regular(tmp_path / "file") == b"x" * 10
    assert read_regular(tmp_path / "nothing") is None
    with pytest.raises(OSError, match="larger than 5"):
        read_regular(tmp_path / "file", limit=5)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("link", "fifo", "folder"):
        with pytest.raises(OSError):  # noqa: PT011 - the words differ, the type is the promise
            read_regular(tmp_path / name)


def watch(path: Path) -> WatchedFile[list[int]]:
    return WatchedFile(str(path), msgspec.json.Decoder(list[int]).decode)


def test_a_watched_file_is_decoded_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    watched = watch(path)
    assert not watched.refresh()
    assert watched.value is None
    path.write_bytes(b"[1]")
    assert watched.refresh()
    value = watched.value
    assert value == [1]
    assert not watched.refresh()
    assert watched.value is value
    write_atomic(path, b"[1]")
    assert not watched.refresh(), "the same content is no change"


def test_a_broken_or_missing_file_keeps_the_last_good_value(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_bytes(b"[1]")
    watched = watch(path)
    watched.refresh()
    for broken in (b"[1, 2", b"\xff", b'{"a": 1}', b""):
        path.write_bytes(broken)
        assert not watched.refresh()
        assert watched.value == [1]
        assert watched.fault
    path.unlink()
    assert not watched.refresh()
    assert watched.value == [1]
    path.write_bytes(b"[3]")
    assert watched.refresh()
    assert (watched.value, watched.fault) == ([3], "")


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_bytes(b"[1]")
    watched = watch(path)
    watched.refresh()
    facts = path.stat()
    with open(path, "r+b") as stream:
        stream.write(b"[2]")
    os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    assert path.stat().st_mtime_ns == facts.st_mtime_ns
    assert watched.refresh()
    assert watched.value == [2]
