from __future__ import annotations

import msgspec
import pytest

from rankdeck.backend_reach import NodeAnswer
from rankdeck.probe.script import NO_PYTHON
from rankdeck.probe.verdict import NodeFacts, Wanted, judge

WANTED = Wanted(python="/env/bin/python", module="torch")


def answer(node: str, *, clock: float = 100.5, before: bytes = b"", **facts: object) -> NodeAnswer:
    """A node that was asked at 100 and answered at 101, by our clock."""
    usual: dict[str, object] = {
        "host": node,
        "python": "/env/bin/python",
        "version": "3.11.7",
        "torch": "2.4.0",
        "cpus": 8,
        "gpus": 4,
        "free": 1 << 40,
        "missing": [],
        "clock": clock,
    }
    output = before + msgspec.json.encode({**usual, **facts}) + b"\n"
    return NodeAnswer(node=node, began=100.0, ended=101.0, output=output, status=0)


def test_nodes_that_are_alike_are_fine() -> None:
    checks = judge([answer("a"), answer("b"), answer("c", version="3.11.2")], WANTED)
    assert [check.result for check in checks] == ["ok"] * 3
    assert isinstance(checks[0].facts, NodeFacts)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"torch": "2.5.1"}, "torch 2.5.1, most others have 2.4.0"),
        ({"version": "3.12.1"}, "Python 3.12, most others have 3.11"),
        ({"clock": 104.0}, "its clock is 3.0 s ahead of this machine's"),
        ({"clock": 97.0}, "its clock is 3.0 s behind this machine's"),
        ({"free": 1 << 20}, "only 1.0 MiB are free for logs"),
        ({"output_free": 1 << 20}, "only 1.0 MiB are free for its output"),
        ({"busy_gpus": 3}, "3 of its 4 GPUs are in use"),
    ],
)
def test_the_node_that_differs_is_named(facts: dict[str, object], told: str) -> None:
    checks = judge([answer("a"), answer("b", **facts), answer("c")], WANTED)  # type: ignore[arg-type]
    assert [check.result for check in checks] == ["ok", "warning", "ok"]
    assert checks[1].warnings == (told,)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """It was read some time between the question and the answer."""
    for clock in (99.1, 100.0, 100.9, 101.9):
        (check,) = judge([answer("a", clock=clock)], WANTED)
        assert check.result == "ok", clock


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"missing": ["/home/me/project"]}, "/home/me/project is not there"),
        ({"python": "/usr/bin/python3"}, "the interpreter /env/bin/python is not there"),
        ({"torch": None}, "/env/bin/python has no torch"),
    ],
)
def test_what_keeps_a_node_from_running_the_job(facts: dict[str, object], told: str) -> None:
    (check,) = judge([answer("a", **facts)], WANTED)  # type: ignore[arg-type]
    assert (check.result, check.failures) == ("fails", (told,))


def test_a_node_without_the_launchers_package_fails() -> None:
    wanted = Wanted(python="/env/bin/python", module="accelerate")
    fails, ok = judge([answer("a", module=False), answer("b", module=True)], wanted)
    assert fails.failures == ("/env/bin/python has no accelerate",)
    assert ok.result == "ok"


def test_without_need_for_torch_none_is_fine() -> None:
    wanted = Wanted(python="python3", module=None)
    checks = judge([answer("a", torch=None), answer("b", torch=None)], wanted)
    assert [check.result for check in checks] == ["ok", "ok"]


def test_a_node_that_was_not_reached_says_why() -> None:
    lost = NodeAnswer(
        node="b", began=1.0, ended=2.0, category="ssh-refused", trouble="b: refused", hint="sshd?"
    )
    ok, check = judge([answer("a"), lost], WANTED)
    assert ok.result == "ok"
    assert (check.result, check.category, check.failures, check.hint) == (
        "fails", "ssh-refused", ("b: refused",), "sshd?",
    )  # fmt: skip


def test_answers_that_are_none() -> None:
    none = NodeAnswer(node="a", began=1.0, ended=2.0, status=NO_PYTHON)
    junk = NodeAnswer(
        node="b", began=1.0, ended=2.0, status=1, output=b"\xff{\n", error_text="x\nSyntaxError"
    )
    checks = judge([none, junk], WANTED)
    assert [check.category for check in checks] == ["no-python", "probe"]
    assert checks[1].failures == ("the node could not be looked at: SyntaxError",)


def test_a_login_shell_may_be_chatty() -> None:
    (check,) = judge([answer("a", before=b"Welcome!\n{}\n")], WANTED)
    assert check.result == "ok"


def test_a_taken_port_matters_on_the_node_of_rank_0_only() -> None:
    wanted = msgspec.structs.replace(WANTED, master="a")
    checks = judge([answer("a", busy_ports=[29500]), answer("b", busy_ports=[29500])], wanted)
    assert [check.failures for check in checks] == [("port 29500 is taken",), ()]
    assert checks[0].concerns == {"port 29500 is taken": "master_port"}


def test_each_thing_names_the_field_it_is_about() -> None:
    wanted = msgspec.structs.replace(WANTED, entry="/p/train.py")
    checks = judge([answer("a", missing=["/p", "/p/train.py"], torch=None)], wanted)
    assert checks[0].concerns == {
        "/p is not there": "project",
        "/p/train.py is not there": "entry",
        "/env/bin/python has no torch": "python",
    }
