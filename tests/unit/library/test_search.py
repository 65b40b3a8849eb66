from __future__ import annotations

import pytest

from rankdeck.errors import Problem
from rankdeck.job.draft import JobDraft
from rankdeck.library.search import fuzzy, search
from rankdeck.library.shelf import Kept

KEPT = (
    Kept(
        name="llama-sft",
        path="/t/llama-sft.yaml",
        description="Fine-tune 7B",
        draft=JobDraft(backend="slurm", entry="sft.py", nnodes=4, env={"NCCL_DEBUG": "INFO"}),
    ),
    Kept(name="Llama-base", path="/t/b.yaml", draft=JobDraft(backend="ssh", host=("n1", "n2"))),
    Kept(name="mnist", path="/t/m.yaml", description="llama of digits", draft=JobDraft()),
    Kept(
        name="old",
        path="/t/o.yaml",
        draft=JobDraft(entry="sft.py"),
        problems=(Problem("is wrong", file="/t/o.yaml", line=1),),
    ),
)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["llama-sft", "Llama-base", "mnist", "old"]),
        ("llama", ["Llama-base", "llama-sft", "mnist"]),
        ("LSFT", ["llama-sft"]),
        ("lb", ["Llama-base"]),
        ("backend:slurm", ["llama-sft"]),
        ("backend:s", ["Llama-base", "llama-sft"]),
        ("!backend:s", ["mnist", "old"]),
        ("entry:sft broken:yes", ["old"]),
        ("broken:no", ["Llama-base", "llama-sft", "mnist"]),
        ("env:nccl", ["llama-sft"]),
        ("nodes:4", ["llama-sft"]),
        ("host:n2", ["Llama-base"]),
        ("digits llama", ["mnist"]),
        ("!llama", ["old"]),
        ("what:ever", []),
        ("zzz", []),
    ],
)
def test_words_choose(query: str, names: list[str]) -> None:
    assert [kept.name for kept in search(KEPT, query)] == names


def test_letters_may_be_left_out_but_not_swapped() -> None:
    assert fuzzy("lsft", "llama-sft") == 5
    assert fuzzy("abc", "abc") == 0
    assert fuzzy("acb", "abc") is None
