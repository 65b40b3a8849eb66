from __future__ import annotations

import msgspec

from rankdeck.job.compare import FieldChange, change_texts, compare_drafts
from rankdeck.job.draft import JobDraft
from rankdeck.job.spec import PassAs

OLD = JobDraft(name="a", entry="/p/e", project="/p", hyperparameters={"lr": "1", "x": "2"})


def test_equal_jobs_do_not_differ() -> None:
    assert compare_drafts(OLD, msgspec.structs.replace(OLD)) == ()


def test_every_difference_is_listed_field_by_field_and_key_by_key() -> None:
    new = msgspec.structs.replace(
        OLD, nproc_per_node=4, hyperparameters={"lr": "3", "y": "4"}, pass_as="both"
    )
    assert compare_drafts(OLD, new) == (
        FieldChange(field="hyperparameters.lr", old="1", new="3"),
        FieldChange(field="hyperparameters.x", old="2", new=None),
        FieldChange(field="hyperparameters.y", old=None, new="4"),
        FieldChange(field="pass_as", old=None, new="both"),
        FieldChange(field="nproc_per_node", old=None, new=4),
    )


def test_changes_read_as_text_without_secrets() -> None:
    assert change_texts(FieldChange(field="args", old=("a", "b"), new=None)) == ("a b", "not set")
    assert change_texts(FieldChange(field="pass_as", old=PassAs.ENV, new=PassAs.ARGS)) == (
        "env",
        "args",
    )
    hidden = change_texts(FieldChange(field="env.HF_TOKEN", old="abc", new=None))
    assert hidden == ("<hidden>", "not set")
