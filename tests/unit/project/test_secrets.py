from __future__ import annotations

import pytest

from rankdeck.project.secrets import is_secret, secret_names


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "hf_token", "WANDB_API_KEY", "apiKey", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD",
        "PASS", "MYPASSWD", "auth", "GITHUB_AUTH", "hftoken", "OPENAI_APIKEY", "SSH_KEY",
    ],
)  # fmt: skip
def test_names_that_tell(name: str) -> None:
    assert is_secret(name, "x")


@pytest.mark.parametrize(
    "name",
    ["tokenizer", "num_tokens", "max_tokens", "lr", "keep_last", "author", "passes", "monkey",
     "keyword", "compass", "bypass_mode"],
)  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(name, "x")


@pytest.mark.parametrize(
    "value",
    [
        "hf_" + "a" * 30, "ghp_" + "b" * 36, "sk-" + "c" * 40, "AKIA" + "D" * 16,
        "https://user:pw@host/x", "-----BEGIN PRIVATE KEY-----\nabc",
    ],
)  # fmt: skip
def test_values_that_tell(value: str) -> None:
    assert is_secret("anything", value)


@pytest.mark.parametrize("value", ["", "0.1", "https://host/x", "sk-1", "hf_model", "a" * 64])
def test_values_that_do_not(value: str) -> None:
    assert not is_secret("anything", value)


def test_names_are_sorted_and_unique() -> None:
    assert secret_names({"b_token": "1", "lr": "1"}, {"a_key": "1", "b_token": "2"}) == (
        "a_key",
        "b_token",
    )
