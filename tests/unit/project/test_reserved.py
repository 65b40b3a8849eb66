from __future__ import annotations

import pytest

from rankdeck.project.reserved import contract_reason, reserved_reason

CHANGES_PROGRAMS = (
    "PATH", "BASH_ENV",
    "BASH_LOADABLES_PATH", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "IFS", "CDPATH",
    "GLOBIGNORE", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH",
    "PYTHONSTARTUP", "PYTHONHOME", "PERL5LIB", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS", "GIT_SSH",
    "SSH_AUTH_SOCK", "SLURM_JOB_ID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "HOME",
    "SHELL", "USER", "TMPDIR",
)  # fmt: skip
CONTRACT = (
    "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "NNODES", "NODE_RANK",
    "NPROC_PER_NODE", "PROJECT_DIR", "DATASET_DIR", "MODEL_DIR", "OUTPUT_DIR", "SCRIPT_DIR",
    "RANKDECK_RUN_ID", "TORCHELASTIC_ERROR_FILE", "PYTHON_EXEC",
)  # fmt: skip
NOT_NAMES = (
    "",
    "1a",
    "a-b",
    "a b",
    "a%%b",
    "BASH_FUNC_x%%",
    "f()",
    "a=b",
    "a.b",
    "名",
    "a\n",
    "\uff4cr",
)


@pytest.mark.parametrize("name", [*CHANGES_PROGRAMS, *CONTRACT, *NOT_NAMES])
def test_dangerous_names_are_refused(name: str) -> None:
    assert reserved_reason(name)


@pytest.mark.parametrize(
    "name", ["lr", "LR", "_x", "epoch", "path", "PATHS", "home_dir", "tokenizer", "rank", "Batch1"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert reserved_reason(name) is None


@pytest.mark.parametrize("name", [*CONTRACT, *NOT_NAMES])
def test_env_must_not_replace_the_contract(name: str) -> None:
    assert contract_reason(name)


@pytest.mark.parametrize("name", list(CHANGES_PROGRAMS))
def test_env_may_change_how_programs_run(name: str) -> None:
    assert contract_reason(name) is None


def test_the_reason_names_the_option_that_does_it() -> None:
    assert "--output-dir" in str(contract_reason("OUTPUT_DIR"))
