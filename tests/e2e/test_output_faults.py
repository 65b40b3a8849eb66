"""What ranks print: kept byte for byte, shown harmlessly, and never in the way."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Cli, assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CORPUS = (
    "plain\n"
    "\x1b[31mred\x1b[0m\n"
    "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[2J\n"
    "[rank0]: [/rank3] [@click=app.bell]x[/]\n"
    "中文 ünïcödé 🙂\n"
    "1%\r50%\r100%\n"
).encode() + b"\xff\xfe broken utf-8 \x9b31m\n"


def test_bytes_are_kept_exactly(cli: Cli, program: Callable[..., Path]) -> None:
    path = program(f"import os\nos.write(1, {CORPUS!r})\n")
    assert cli("run", "--launcher", "direct", path).returncode == 0
    assert cli.log(0) == CORPUS
    raw = subprocess.run([*cli.argv, "logs", "last"], env=cli.env, capture_output=True, check=True)
    assert raw.stdout == CORPUS


def test_stdout_and_stderr_keep_their_order(cli: Cli, program: Callable[..., Path]) -> None:
    path = program("import os\nfor i in range(500):\n    os.write(1 + i % 2, b'line %d\\n' % i)\n")
    assert cli("run", "--launcher", "direct", path).returncode == 0
    assert cli.log(0) == b"".join(b"line %d\n" % i for i in range(500))


def test_two_hundred_megabytes_without_a_newline(cli: Cli, program: Callable[..., Path]) -> None:
    path = program("import os\nb = b'x' * (1 << 20)\nfor _ in range(200):\n    os.write(1, b)\n")
    done = cli("run", "-d", "--launcher", "direct", path)
    assert done.returncode == 0, done.stderr
    assert cli("wait", "last").returncode == 0
    (log,) = cli.run_dir().glob("nodes/*/attempt-0/rank-0.log")
    assert log.stat().st_size == 200 << 20
    shown = cli("logs", "last", "-n", "5", "--json")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout) < 4 << 20


def test_values_arrive_byte_for_byte(cli: Cli, program: Callable[..., Path]) -> None:
    value = "$(touch /tmp/owned) `id` \"q\" 'q' \\ * ~ 中文 🙂\nsecond line\ttab"
    path = program(
        "import os, sys\n"
        "seen = os.fsencode(os.environ['note']), os.fsencode(sys.argv[1])\n"
        "sys.stdout.buffer.write(b'\\0'.join(seen))\n"
    )
    path.with_name("HyperParameters.json").write_text(
        '{"HyperParameters": [{"name": "note", "types": "string"}]}'
    )
    done = cli("run", "--launcher", "direct", "--set", f"note={value}", path, value)
    assert done.returncode == 0, done.stderr
    assert cli.log(0) == value.encode() + b"\0" + value.encode()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_is_named_and_the_record_is_kept(
    cli: Cli, program: Callable[..., Path], small_disk: Path
) -> None:
    cli.home = small_disk / "state"
    cli.env["RANKDECK_HOME"] = str(cli.home)
    path = program(
        "import os\nprint('step 1', flush=True)\nwhile True:\n    print('x' * 4095, flush=True)\n"
    )
    done = cli("run", "-d", "--launcher", "direct", path)
    assert done.returncode == 0, done.stderr
    assert cli("wait", "last").returncode == 1
    show = cli.show()
    assert show["state"] == "failed"
    assert show["failure"]["category"] == "disk-full", show["failure"]
    assert cli.log(0).startswith(b"step 1\nxxx")
    assert_nothing_left(show["id"])
