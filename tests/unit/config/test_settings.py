from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.config.document import change_document, parse_document, read_document
from rankdeck.config.settings import Settings, load_settings, save_settings
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_MINE = """\
# how I like it
theme: nord   # cold
read_only: false

notify: no
# the end
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load_settings(tmp_path / "nowhere", {})
    assert loaded.settings == Settings()
    assert loaded.problems == ()


def test_a_file_is_read(tmp_path: Path) -> None:
    _write(tmp_path, _MINE + "metric_patterns:\n  - 'l=(?P<loss>[0-9.]+)'\nmouse:\n")
    loaded = load_settings(tmp_path, {})
    assert loaded.problems == ()
    assert loaded.settings == Settings(
        theme="nord", notify=False, metric_patterns=("l=(?P<loss>[0-9.]+)",)
    )


def test_what_is_wrong_is_told_with_its_line_and_the_rest_counts(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        "theme: nord\nmuose: true\nnotify: perhaps\nread_only: [a]\n"
        "metric_patterns: ['(', 'a=([0-9]+)']\n",
    )
    loaded = load_settings(tmp_path, {})
    assert loaded.settings == Settings(theme="nord")
    told = [(str(problem), problem.hint) for problem in loaded.problems]
    assert told[:3] == [
        (f"{path}:2: muose: is not a setting", "did you mean mouse?"),
        (f"{path}:3: notify: must be true or false, not perhaps", ""),
        (f"{path}:4: read_only: must be one value, not a list", ""),
    ]
    message = f"{path}:5: metric_patterns: '(' is not a valid regular expression"
    assert told[3][0].startswith(message)


@pytest.mark.parametrize("text", ["- a\n", "theme: [\n", "a: {b: c}\n", "theme: a\ntheme: b\n"])
def test_a_file_of_another_shape_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    _write(tmp_path, text)
    problems = load_settings(tmp_path, {}).problems
    assert len(problems) == 1
    assert problems[0].line > 0


def test_the_environment_decides(tmp_path: Path) -> None:
    _write(tmp_path, _MINE)
    loaded = load_settings(tmp_path, {"RANKDECK_THEME": "light"})
    assert loaded.settings.theme == "light"
    assert loaded.overruled == {"theme": "RANKDECK_THEME"}
    assert load_settings(tmp_path, {"NO_COLOR": "1"}).overruled == {"theme": "NO_COLOR"}


def test_saving_changes_only_what_was_changed(tmp_path: Path) -> None:
    path = _write(tmp_path, _MINE)
    save_settings(tmp_path, {"theme": "light", "mouse": False})
    assert path.read_text() == (
        '# how I like it\ntheme: "light"   # cold\nread_only: false\n\nnotify: no\n# the end\n'
        "mouse: false\n"
    )
    assert load_settings(tmp_path, {}).settings == Settings(
        theme="light", notify=False, mouse=False
    )


def test_a_default_is_taken_out_of_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "theme: nord # cold\nmetric_patterns:\n- (?P<a>b)\n- (?P<c>d)\n# end\n")
    save_settings(tmp_path, {"theme": "", "metric_patterns": ("(?P<e>'\")",)})
    assert load_settings(tmp_path, {}).settings == Settings(metric_patterns=("(?P<e>'\")",))
    assert path.read_text().endswith("# end\n")
    assert "# cold" in path.read_text()


def test_a_file_that_is_not_valid_is_never_written(tmp_path: Path) -> None:
    path = _write(tmp_path, "theme: [\n")
    with pytest.raises(UserError, match="is not valid YAML"):
        save_settings(tmp_path, {"theme": "light"})
    assert path.read_text() == "theme: [\n"


def test_saving_makes_folder_and_file_and_keeps_links_and_modes(tmp_path: Path) -> None:
    save_settings(tmp_path / "new", {"mouse": False})
    assert (tmp_path / "new" / "config.yaml").read_text() == "mouse: false\n"
    dotfile = tmp_path / "dotfile"
    dotfile.write_text("theme: nord\n")
    dotfile.chmod(0o644)
    (tmp_path / "config.yaml").symlink_to(dotfile)
    save_settings(tmp_path, {"theme": "light"})
    assert (tmp_path / "config.yaml").is_symlink()
    assert dotfile.read_text() == 'theme: "light"\n'
    assert dotfile.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", ["a", "a: b", "# x", "'\"", "日本", "yes", "", "null", " a "])
def test_any_text_comes_back(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("other: 1\n")
    change_document(path, {"key": value})
    change_document(path, {"other": "2"})
    assert {entry.key: entry.value for entry in read_document(path).entries} == {
        "other": "2",
        "key": value,
    }


def test_an_empty_document_has_no_entries() -> None:
    assert parse_document("# nothing\n", "x").entries == ()
