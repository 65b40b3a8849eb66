"""The options that a job gives its launcher itself (`launcher_args`), checked. Pure.

They are passed on as they are. Refused is what Rankdeck says itself: a launcher that was told
something else would start other ranks than the plan shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.job.spec import JobSpec

FIELD = "launcher_args"
OURS = "Rankdeck sets it itself"
LOGS = "every rank has a log of its own"
COUNTS = "give --nnodes and --nproc-per-node"
MASTER = "give --master-addr and --master-port"
FORM = "the entry is a Python file; for modules and other programs take the launcher direct"


def check_options(spec: JobSpec, owned: Mapping[str, str]) -> tuple[Problem, ...]:
    """Every option of the job's launcher that cannot be passed on.

    Args:
        spec: The job.
        owned: Options that it must not give, spelled with `_`, and what to do instead. Whatever
            argparse would take for one of them counts, too.
    """
    words = spec.launcher_args
    if words and not words[0].startswith("-"):
        return (option_problem(f"{words[0]!r} is no option", "the entry is given by itself"),)
    problems = []
    for word in words:
        if found := _meant(word, owned):
            problems.append(
                option_problem(f"{word.partition('=')[0]} cannot be used", owned[found])
            )
    return tuple(problems)


def takes_no_options(spec: JobSpec) -> tuple[Problem, ...]:
    """The problem of options for a launcher that has none."""
    if not spec.launcher_args:
        return ()
    hint = "leave them out; arguments of the entry stand behind it"
    return (option_problem(f"the launcher {spec.launcher} has no options", hint),)


def option_value(words: Sequence[str], name: str) -> str:
    """The last value of `--name VALUE` or `--name=VALUE`; empty: it is not given."""
    value = ""
    for index, word in enumerate(words):
        option, equals, text = word.partition("=")
        if spelled(option) != name:
            continue
        value = text if equals else next(iter(words[index + 1 : index + 2]), "")
    return value


def given(words: Iterable[str], names: frozenset[str]) -> bool:
    """Whether any of these options is among the words."""
    return any(spelled(word.partition("=")[0]) in names for word in words)


def spelled(option: str) -> str:
    """The option as `owned` spells it: `--node-rank` is `--node_rank`."""
    return "--" + option[2:].replace("-", "_") if option.startswith("--") else option


def option_problem(message: str, hint: str = "") -> Problem:
    """An error about the launcher's options."""
    return Problem(message, key=FIELD, field=FIELD, hint=hint)


def _meant(word: str, owned: Mapping[str, str]) -> str:
    option = spelled(word.partition("=")[0])
    if option in owned:
        return option
    if not option.startswith("--"):
        # `-mpkg` is `-m pkg`
        short = option[:2]
        return short if short in owned and len(option) > 1 else ""
    shortened = (name for name in owned if len(option) > 2 and name.startswith(option))
    return next(shortened, "")
