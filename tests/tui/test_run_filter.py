from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.logs.engine import Re2Finder
from rankdeck.run.state import RunPhase
from rankdeck.run.summary import RunSummary
from tui.filter_grammar import FilterError
from tui.run_filter import parse_run_filter, run_text

if TYPE_CHECKING:
    from rankdeck.logs.engine import Span

NOW = 1_000_000.0
DAY = 86_400


def run(name: str, state: RunPhase = RunPhase.SUCCEEDED, **facts: Any) -> RunSummary:
    given = {
        "id": f"20261121-104512-{name}-abcd",
        "backend": "ssh",
        "launcher": "torchrun",
        "nnodes": 1,
        "world_size": 8,
        "nproc_per_node": 8,
        "created": NOW - 60,
        **facts,
    }
    return RunSummary(name=name, state=state, **given)


RUNS = (
    run("llama-sft", RunPhase.RUNNING, backend="slurm", nnodes=16, world_size=128, loss=1.84,
        nodes="node[01-16]", created=NOW - 3 * DAY, started=NOW - 7200, step=1840,
        total_steps=5000, project="/work/llama"),
    run("llama-dpo", RunPhase.QUEUED, backend="slurm", reason="Priority", nodes="node[17-18]",
        created=NOW - 300, project="/work/llama"),
    run("mnist", RunPhase.FAILED, world_size=4, failure_node="node03", failure_category="oom",
        failure_summary="rank 5 on node03: CUDA out of memory", nodes="node[02-03]",
        created=NOW - 9 * DAY, started=NOW - 9 * DAY, ended=NOW - 9 * DAY + 90, exit_code=1),
    run("Vit B16", RunPhase.STOPPED, backend="local", nodes="login", project="/work/vit [x]",
        loss=0.02),
)  # fmt: skip


def names(text: str) -> list[str]:
    found = parse_run_filter(text)
    return [run.name for run in RUNS if found.matches(run, NOW, run_text(run))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["llama-sft", "llama-dpo", "mnist", "Vit B16"]),
        ("LLAMA", ["llama-sft", "llama-dpo"]),
        ("llama dpo", ["llama-dpo"]),
        ("!llama", ["mnist", "Vit B16"]),
        ("!llama !state:failed", ["Vit B16"]),
        ('"Vit B16"', ["Vit B16"]),
        ("'out of memory'", ["mnist"]),
        ('!"out of memory" llama', ["llama-sft", "llama-dpo"]),
        ("re:s.t", ["llama-sft"]),
        (r"/rank \d+ on/", ["mnist"]),
        ("!/llama/", ["mnist", "Vit B16"]),
        ("re:Vit", ["Vit B16"]),
        ("re:vit", ["Vit B16"]),
        ("re:VIT", []),
        ("/work/llama", ["llama-sft", "llama-dpo"]),
        ("state:failed", ["mnist"]),
        ("state:fail", ["mnist"]),
        ("state:failed,queued", ["llama-dpo", "mnist"]),
        ("state:live", ["llama-sft", "llama-dpo"]),
        ("state:ended", ["mnist", "Vit B16"]),
        ("!state:live", ["mnist", "Vit B16"]),
        ("backend:slurm", ["llama-sft", "llama-dpo"]),
        ("BACKEND:slurm", ["llama-sft", "llama-dpo"]),
        ("name:llama*", ["llama-sft", "llama-dpo"]),
        ("name:*t", ["llama-sft", "mnist"]),
        ("name:=mnist", ["mnist"]),
        ("name:nist", ["mnist"]),
        ("name:sft,dpo", ["llama-sft", "llama-dpo"]),
        ('name:"vit b"', ["Vit B16"]),
        ("name:/^l.*o$/", ["llama-dpo"]),
        ("node:node03", ["llama-sft", "mnist"]),
        ("node:node1?", ["llama-sft", "llama-dpo"]),
        ("node:=node1", []),
        ("project:llama", ["llama-sft", "llama-dpo"]),
        ("project:*[x]", ["Vit B16"]),
        ("why:memory", ["mnist"]),
        ("age:<2d", ["llama-dpo", "Vit B16"]),
        ("age:2d", ["llama-dpo", "Vit B16"]),
        ("age:1d..5d", ["llama-sft"]),
        ("age:>=1w", ["mnist"]),
        ("elapsed:>1h", ["llama-sft"]),
        ("elapsed:90", ["mnist"]),
        ("ranks:>=64", ["llama-sft"]),
        ("ranks:8", ["llama-dpo", "Vit B16"]),
        ("nodes:16", ["llama-sft"]),
        ("loss:<2", ["llama-sft", "Vit B16"]),
        ("loss:<1e-1", ["Vit B16"]),
        ("!loss:<2", ["llama-dpo", "mnist"]),
        ("exit:1", ["mnist"]),
    ],
)
def test_what_is_shown(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("state:", "state: what? one of planned"),
        ("state:dead", "there is no state 'dead': planned"),
        ("stat:failed", "did you mean state:?"),
        ("zzz:1", "there are state, name"),
        ("ranks:many", "cannot be compared; for example ranks:>=64"),
        ("age:<2y", "for example age:<2d"),
        ("age:1d..", "is no range"),
        ("re:(", "is not a valid regular expression"),
        ("/(/", "is not a valid regular expression"),
        ("name:/[/", "is not a valid regular expression"),
        ('"open', '" is not closed'),
        ('name:"open', '" is not closed'),
        ('"a"b', "a blank is missing"),
        ("!", "what must not be there"),
        ("re:", "nothing to look for"),
        ('""', "nothing to look for"),
    ],
)
def test_what_is_wrong_is_said(text: str, part: str) -> None:
    with pytest.raises(FilterError) as told:
        parse_run_filter(text)
    assert part in str(told.value)


def test_no_text_breaks_the_grammar() -> None:
    from tests.tui.hostile import CORPUS

    pieces = [
        "!",
        '"',
        "'",
        "/",
        "re:",
        "state:",
        "age:<",
        "(",
        "[",
        "\\",
        "*",
        ":",
        ",",
        "..",
        " ",
    ]
    texts = [line.decode(errors="replace") for line in CORPUS] + pieces
    for one in texts:
        for two in texts:
            with suppress(FilterError):
                parse_run_filter(one + two).matches(RUNS[2], NOW, run_text(RUNS[2]))


def test_a_node_that_no_host_could_be_is_looked_for_as_it_is() -> None:
    odd = run("odd", nodes="[@click=app.bell]x[")
    assert parse_run_filter("node:click").matches(odd, NOW, run_text(odd))


@pytest.mark.parametrize("text", ["/(a+)+$/", "re:(a+)+$", "why:/(a+)+$/", "!/^(?:a|aa)+$/"])
def test_an_expression_is_looked_for_by_the_engine_that_never_goes_astray(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    first = Re2Finder.first

    def watched(self: Re2Finder, line: bytes, begin: int, stop: int) -> Span | None:
        asked.append(line)
        return first(self, line, begin, stop)

    monkeypatch.setattr(Re2Finder, "first", watched)
    hostile = run("odd", failure_summary="a" * 1900 + "b")
    # `re` would not come back from this in a lifetime
    matches = parse_run_filter(text).matches(hostile, NOW, run_text(hostile))
    assert matches is text.startswith("!")
    assert any(b"a" * 1900 in line for line in asked)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/a(?=b)/", "lookahead"),
        ("re:(?<!a)b", "lookbehind"),
        (r"name:/(a)\1/", "backreference"),
        ("/a{2000}/", "a long repetition"),
        ("/(?:.{40}x){9}/", "a big expression"),
    ],
)
def test_what_may_take_long_is_refused(text: str, why: str) -> None:
    with pytest.raises(FilterError, match=f"may take too long to look for here: {why}$"):
        parse_run_filter(text)


def test_many_stars_cost_no_more_than_many_looks() -> None:
    odd = run("a" * 1900)
    stars = "name:" + "*a" * 40
    assert not parse_run_filter(stars + "*b").matches(odd, NOW, run_text(odd))
    assert parse_run_filter(stars).matches(odd, NOW, run_text(odd))
