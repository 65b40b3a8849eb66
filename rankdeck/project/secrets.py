"""Which variables are secrets by their name or by the form of their value. Pure."""

from __future__ import annotations

import re

HIDDEN = "<hidden>"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset((
    "TOKEN", "KEY", "KEYS", "APIKEY", "SECRET", "SECRETS", "PASS", "PASSWD", "PASSWORD",
    "PASSPHRASE", "PWD", "AUTH", "AUTHORIZATION", "CREDENTIAL", "CREDENTIALS", "PRIVATEKEY",
    "ACCESSKEY", "COOKIE",
))  # fmt: skip
_SECRET_ENDINGS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "AUTH", "KEY")
_HARMLESS = frozenset({"MONKEY", "TURKEY", "DONKEY", "HOCKEY"})
_SECRET_VALUE = re.compile(
    r"hf_[A-Za-z0-9]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*|[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@]+@.*",
    re.DOTALL,
)


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable's value should never be displayed.

    Whole words of the name count (`HF_TOKEN`, `apiKey`), so `tokenizer` and `num_tokens` stay
    readable; so do the forms of well-known tokens, private keys and URLs with a password.
    """
    words = [word.upper() for word in _WORDS.findall(name)]
    if any(word in _SECRET_WORDS for word in words):
        return True
    if any(word.endswith(_SECRET_ENDINGS) and word not in _HARMLESS for word in words):
        return True
    return _SECRET_VALUE.fullmatch(value.strip()) is not None


def secret_names(*groups: dict[str, str]) -> tuple[str, ...]:
    """The names in these mappings whose values are secrets, sorted."""
    every = (item for group in groups for item in group.items())
    return tuple(sorted({name for name, value in every if is_secret(name, value)}))
