"""Names that a hyperparameter or a `--env` variable must not have, and why. Pure."""

from __future__ import annotations

from rankdeck.job.values import is_identifier

CONTRACT = frozenset((
    "PROJECT_DIR", "DATASET_DIR", "MODEL_DIR", "OUTPUT_DIR", "SCRIPT_DIR", "NNODES",
    "NPROC_PER_NODE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK",
    "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_NAME", "ROLE_RANK",
    "ROLE_WORLD_SIZE", "PYTHON_EXEC", "PET_MASTER_PORT", "PET_LOG_DIR", "PET_REDIRECTS",
    "PET_RDZV_ID",
))  # fmt: skip
"""Variables that Rankdeck or the launcher it starts sets for every rank."""

CONTRACT_PREFIXES = ("RANKDECK_", "TORCHELASTIC_")

_OPTION_OF = {
    "DATASET_DIR": "--dataset-dir",
    "MODEL_DIR": "--model-dir",
    "OUTPUT_DIR": "--output-dir",
    "NNODES": "--nnodes",
    "NPROC_PER_NODE": "--nproc-per-node",
    "MASTER_ADDR": "--master-addr",
    "MASTER_PORT": "--master-port",
    "PYTHON_EXEC": "--python",
}

_SHELL = frozenset((
    "PATH", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "IFS", "CDPATH",
    "GLOBIGNORE", "EXECIGNORE", "POSIXLY_CORRECT", "HOME", "SHELL", "USER", "LOGNAME", "TMPDIR",
    "TMP", "TEMP", "PWD", "OLDPWD", "UID", "EUID", "PPID", "GROUPS", "NODE_OPTIONS",
    "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "EDITOR", "VISUAL", "PAGER", "BROWSER",
    "VIRTUAL_ENV", "CONDA_PREFIX", "_",
))  # fmt: skip
_PROGRAM_PREFIXES = (
    "BASH", "LD_", "DYLD_", "PYTHON", "PERL5", "RUBY", "GIT_", "SSH_", "SLURM_", "OMPI_", "PMI",
    "PET_", "MASTER_",
)  # fmt: skip


def reserved_reason(name: str) -> str | None:
    """Why a hyperparameter must not be called `name`; None when it may.

    Its value becomes an environment variable of that name, before anything of the project runs.
    """
    if not is_identifier(name):
        return (
            "is not a usable name: letters, digits and '_' only, and it must not begin with a digit"
        )
    if contract := contract_reason(name):
        return contract
    if name in _SHELL or name.startswith(_PROGRAM_PREFIXES):
        return "is reserved: a variable of that name changes how programs run"
    return None


def contract_reason(name: str) -> str | None:
    """Why a variable set with `--env` must not be called `name`; None when it may."""
    if not is_identifier(name):
        return (
            "is not a usable name: letters, digits and '_' only, and it must not begin with a digit"
        )
    if name in CONTRACT or name.startswith(CONTRACT_PREFIXES):
        option = _OPTION_OF.get(name)
        return "is reserved: Rankdeck sets it for every rank" + (
            f" (set it with {option})" if option else ""
        )
    return None
