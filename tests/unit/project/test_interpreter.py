from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import UserError
from rankdeck.project.interpreter import find_interpreter, package_version, torch_version

if TYPE_CHECKING:
    from pathlib import Path


def environment(
    folder: Path, torch: str | None = None, config: str = "home = /nowhere/bin"
) -> Path:
    """A virtual environment as far as files go; returns its interpreter."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text(config + "\n")
    if torch is not None:
        package = folder / "lib" / "python3.11" / "site-packages" / "torch"
        package.mkdir(parents=True)
        (package / "version.py").write_text(f"__version__ = '{torch}'\n")
    return python


def test_the_active_environment_with_torch_is_first(tmp_path: Path) -> None:
    conda = environment(tmp_path / "conda", "2.1")
    venv = environment(tmp_path / "venv", "2.2")
    environ = {"VIRTUAL_ENV": str(tmp_path / "venv"), "CONDA_PREFIX": str(tmp_path / "conda")}
    assert find_interpreter(None, environ) == str(venv)
    environ["VIRTUAL_ENV"] = str(tmp_path / "gone")
    assert find_interpreter(None, environ) == str(conda)


def test_an_environment_without_torch_yields_to_one_with_it(tmp_path: Path) -> None:
    environment(tmp_path / "venv")
    conda = environment(tmp_path / "conda", "2.1")
    environ = {"VIRTUAL_ENV": str(tmp_path / "venv"), "CONDA_PREFIX": str(tmp_path / "conda")}
    assert find_interpreter(None, environ) == str(conda)


def test_without_torch_anywhere_the_active_environment_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = environment(tmp_path / "venv")
    other = environment(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(other))
    environ = {"VIRTUAL_ENV": str(tmp_path / "venv"), "PATH": ""}
    assert find_interpreter(None, environ) == str(venv)


def test_python3_of_the_path_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = environment(tmp_path / "env")
    monkeypatch.setattr(sys, "executable", "")
    python.rename(python.with_name("python3"))
    environ = {"PATH": f"{tmp_path}/none:{tmp_path}/env/bin"}
    assert find_interpreter(None, environ) == str(tmp_path / "env" / "bin" / "python3")
    with pytest.raises(UserError, match="no Python interpreter"):
        find_interpreter(None, {"PATH": ""})


def test_an_explicit_interpreter_is_taken_as_it_is(tmp_path: Path) -> None:
    environment(tmp_path / "venv")
    found = find_interpreter("venv/bin/python", {}, tmp_path)
    assert found == str(tmp_path / "venv" / "bin" / "python")
    assert find_interpreter("sh", {"PATH": "/usr/bin:/bin"}).endswith("/bin/sh")


def test_a_wrong_explicit_interpreter_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for given, said in (
        ("./gone", "there is no Python interpreter at"),
        ("./plain", "cannot be executed"),
        (".//", "is a directory"),
        ("no-such-python", "there is no 'no-such-python' on PATH"),
    ):
        with pytest.raises(UserError, match=said):
            find_interpreter(given, {"PATH": "/usr/bin"}, tmp_path)


def test_a_full_path_that_is_not_here_may_be_on_other_machines(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    there = {"PATH": "/usr/bin"}
    assert (
        find_interpreter("/opt/../opt/x/python", there, tmp_path, elsewhere=True) == "/opt/x/python"
    )
    for given, said in (
        ("./gone", "there is no Python interpreter at"),
        (str(tmp_path / "plain"), "cannot be executed"),
        ("no-such-python", "on PATH"),
    ):
        with pytest.raises(UserError, match=said):
            find_interpreter(given, there, tmp_path, elsewhere=True)


def test_torch_is_told_by_its_version_file(tmp_path: Path) -> None:
    assert torch_version(str(environment(tmp_path / "a", "2.9.1+cpu"))) == "2.9.1+cpu"
    assert torch_version(str(environment(tmp_path / "b"))) is None


def test_a_package_is_told_by_its_metadata(tmp_path: Path) -> None:
    python = str(environment(tmp_path / "a", "2.9"))
    packages = tmp_path / "a" / "lib" / "python3.11" / "site-packages"
    for name in ("accelerate_fft-0.2", "accelerate-1.15.0"):
        (packages / f"{name}.dist-info").mkdir()
    assert package_version(python, "accelerate") == "1.15.0"
    assert package_version(python, "deepspeed") is None


def test_an_environment_may_see_the_packages_of_its_base(tmp_path: Path) -> None:
    base = environment(tmp_path / "base", "2.5")
    (tmp_path / "base" / "pyvenv.cfg").unlink()
    home = f"home = {base.parent}"
    closed = environment(tmp_path / "closed", config=home)
    seeing = f"{home}\ninclude-system-site-packages = true"
    opened = environment(tmp_path / "opened", config=seeing)
    assert torch_version(str(closed)) is None
    assert torch_version(str(opened)) == "2.5"


def test_this_interpreters_torch_is_found_where_import_finds_it() -> None:
    import importlib.util

    spec = importlib.util.find_spec("torch")
    assert (torch_version(sys.executable) is not None) == (spec is not None)
    assert os.path.isabs(find_interpreter(None, os.environ))
