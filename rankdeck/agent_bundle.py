"""The agent as one file: a zip that any Python >= 3.8 runs, made once per version of the agent."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).parent
_ENTRY = b"from rankdeck.agent.__main__ import main\n\nmain()\n"
# isolated from the user's PYTHON* variables and project folder, and without the site packages'
# start-up code; the agent loads those itself once the ranks are on their way
_FLAGS = ("-I", "-S")


def agent_bundle(cache_dir: Path) -> Path:
    """The bundle's path; builds it when this version of the agent has none there yet."""
    sources = dict(_sources())
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    for name, text in sources.items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    path = cache_dir / f"agent-{digest.hexdigest()[:16]}.pyz"
    if not path.exists():
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # not by our pid: two login nodes with one home may both have that
        temporary = path.with_suffix(f".{os.urandom(6).hex()}")
        temporary.touch(mode=0o600)
        temporary.write_bytes(_archive(sources))
        temporary.rename(path)
    return path


def agent_command(python: str, bundle: Path | str, *arguments: str) -> list[str]:
    """How an agent is started: `arguments` are an order's path, or `--sweep RUN_ID [NODE]`."""
    return [python, *_FLAGS, str(bundle), *arguments]


def _sources() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _ENTRY
    yield "rankdeck/__init__.py", b""
    for path in sorted((_PACKAGE / "agent").rglob("*.py")):
        yield f"rankdeck/{path.relative_to(_PACKAGE).as_posix()}", path.read_bytes()


def _archive(sources: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in sources.items():
            archive.writestr(_entry(name), text)
            # used by an interpreter of this version, skipped by every other
            archive.writestr(_entry(f"{name}c"), _compiled(name, text))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    return entry


def _compiled(name: str, text: bytes) -> bytes:
    import marshal

    unchecked_hash = (0b01).to_bytes(4, "little")
    code = compile(text, f"<agent>/{name}", "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + unchecked_hash + importlib.util.source_hash(text)
    return header + marshal.dumps(code)
