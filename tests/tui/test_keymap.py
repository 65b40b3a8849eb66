from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rankdeck.config.document import parse_document
from tui.keys import Key, Scope, all_keys
from tui.keys.catalogue import together
from tui.keys.keymap import check_keymap, read_keymap
from tui.keys.naming import normal_key, normal_keys, shown_key, textual_name, unknown_key

_TABLE = (
    Key(Scope.EVERYWHERE, "q,ctrl+q", "leave", "q", "quit", ""),
    Key(Scope.RUN, "s", "stop", "s", "stop", ""),
    Key(Scope.RUN, "r", "rerun", "r", "rerun", ""),
    Key(Scope.LOG, "f", "follow", "f", "follow", ""),
    Key(Scope.LOG, "w", "save", "w", "save", ""),
    Key(Scope.RUNS, "d", "delete", "d", "delete", ""),
)


def _read(text: str) -> tuple[dict[str, str], list[str]]:
    keymap = check_keymap(parse_document(text, "keymap.yaml"), _TABLE)
    problems = [f"{p}{f' ({p.hint})' if p.hint else ''}" for p in keymap.problems]
    return keymap.keys, problems


def test_every_id_is_there_once() -> None:
    counted = Counter(key.id for key in all_keys())
    assert [key_id for key_id, number in counted.items() if number > 1] == []


def test_every_key_of_the_table_has_a_name_that_textual_knows() -> None:
    problems = [
        (row.id, unknown_key(key))
        for row in all_keys()
        for key in normal_keys(row.keys.split(","))
        if unknown_key(key)
    ]
    assert problems == []


def test_names_of_characters_are_those_of_textual() -> None:
    from textual.keys import _character_to_key

    for code in range(0x21, 0x7F):
        assert textual_name(chr(code)) == _character_to_key(chr(code))


def test_keys_are_taken_however_they_are_written() -> None:
    keys, problems = _read("run.stop: x, Ctrl+X\nlog.follow: ['?', esc]\nruns.delete: '#'\n")
    assert problems == []
    assert keys == {
        "run.stop": "x,ctrl+x",
        "log.follow": "question_mark,escape",
        "runs.delete": "number_sign",
    }


def test_an_unknown_id_is_told_with_the_nearest_one() -> None:
    keys, problems = _read("# mine\nrun.stopp: x\nrun.rerun: R\n")
    assert keys == {"run.rerun": "R"}
    assert problems == [
        "keymap.yaml:2: run.stopp: is not the name of a key (did you mean run.stop?)"
    ]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("ctrl+banana", "is not the name of a key"),
        ("hyper+x", "hyper is not ctrl, alt or shift"),
        ("shift+x", "a terminal sends X"),
        ("[]", "needs at least one key"),
        ("", "needs at least one key"),
    ],
)
def test_an_unknown_key_is_told(key: str, problem: str) -> None:
    keys, problems = _read(f"run.stop: {key}\n")
    assert keys == {}
    assert len(problems) == 1
    assert problems[0].startswith("keymap.yaml:1: run.stop: ")
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run.stop: r", "r is already run.rerun"),  # the same screen
        ("run.stop: q", "q is already everywhere.leave"),
        ("everywhere.leave: r", "r is already run.rerun"),
        ("run.rerun: f", "f is already log.follow"),  # a pane of the screen
        ("log.follow: r", "r is already run.rerun"),
    ],
)
def test_a_key_that_is_taken_where_both_are_valid_is_told_and_stays_as_it_was(
    text: str, told: str
) -> None:
    keys, problems = _read(text)
    assert keys == {}
    assert len(problems) == 1
    assert told in problems[0]


def test_both_of_a_pair_are_told_and_keep_their_keys() -> None:
    keys, problems = _read("run.stop: x\nrun.rerun: x\nlog.follow: F\n")
    assert keys == {"log.follow": "F"}
    assert [problem.partition(": ")[0] for problem in problems] == [
        "keymap.yaml:1",
        "keymap.yaml:2",
    ]


def test_keys_may_change_places() -> None:
    assert _read("run.stop: r\nrun.rerun: s\n") == ({"run.stop": "r", "run.rerun": "s"}, [])


def test_the_same_key_is_free_on_another_screen() -> None:
    assert _read("runs.delete: r") == ({"runs.delete": "r"}, [])
    assert not together(Scope.RUNS, Scope.RUN)
    assert not together(Scope.CONFIRM, Scope.EVERYWHERE)


def test_what_cannot_be_read_leaves_the_built_in_keys(tmp_path: Path) -> None:
    path = tmp_path / "keymap.yaml"
    assert read_keymap(path) == check_keymap(parse_document("", str(path)))
    path.write_text("run.stop: [x\n")
    keymap = read_keymap(path)
    assert keymap.keys == {}
    assert str(keymap.problems[0]).startswith(f"{path}:2: is not valid YAML")


@pytest.mark.parametrize(
    ("key", "shown"),
    [("question_mark", "?"), ("escape", "esc"), ("ctrl+up", "ctrl+↑"), ("K", "K"), ("f1", "f1")],
)
def test_keys_are_shown_as_people_write_them(key: str, shown: str) -> None:
    assert shown_key(normal_key(key)) == shown


_USE = """
import tui.keys
tui.keys.use_keymap({"runs.new-job": "ctrl+t,z"})
from tui.keys import Scope, keys_of
from tui.screens.runs import RunsScreen
row = next(key for key in keys_of(Scope.RUNS) if key.id == "runs.new-job")
print(row.shown, [b.key for b in RunsScreen.BINDINGS if b.id == row.id])
"""


def test_a_keymap_changes_bindings_and_what_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _USE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "ctrl+t z ['ctrl+t,z']", done.stderr
