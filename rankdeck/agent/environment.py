"""The environment of launcher and ranks, and the shim a launcher starts in place of Python."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.order import Order

# what an enclosing run's shim set for its own rank must not pass for ours
_FOREIGN = ("RANKDECK_RANK_PID", "RANKDECK_ERROR_FILE")
_SHIM_SETS = (
    "PYTHON_EXEC",
    "PET_LOG_DIR",
    "PET_REDIRECTS",
    "PET_MASTER_PORT",
    "PET_MASTER_ADDR",
)


def base_environment(order: Order) -> dict[str, str]:
    """What everything on this node starts with, the setup lines first: the agent's and the job's.

    They may change any of it.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    if order.path_prefix:
        environ["PATH"] = _prepend(order.path_prefix, environ.get("PATH"))
    environ.setdefault("PYTHONUNBUFFERED", "1")
    environ.setdefault("PYTHONFAULTHANDLER", "1")
    environ.update(order.env)
    environ.update(_marks(order))
    return environ


def node_environment(
    order: Order, base: dict[str, str], master_addr: str, master_port: int
) -> dict[str, str]:
    """What launcher and ranks start with: `base`, and what the nodes agreed on."""
    environ = {**base, **_marks(order), "MASTER_ADDR": master_addr}
    if master_port:
        environ["MASTER_PORT"] = str(master_port)
    return environ


def launcher_environment(order: Order, environ: dict[str, str]) -> dict[str, str]:
    """What the launcher gets besides: every rank it starts goes through the shim."""
    pet_dir = pet_log_dir(order)
    ours = {
        "PYTHON_EXEC": f"{order.attempt_dir}/shim",
        # for ranks that are no Python programs (`--no-python`), which the shim never sees
        "PET_LOG_DIR": pet_dir,
        "PET_REDIRECTS": "3",
    }
    if "MASTER_PORT" in environ:
        ours["PET_MASTER_PORT"] = environ["MASTER_PORT"]
    if order.nnodes > 1:
        ours["PET_MASTER_ADDR"] = environ["MASTER_ADDR"]
    return {**environ, **ours}


def launcher_argv(order: Order, master_addr: str) -> list[str]:
    """The launcher's command line, with the master address that was agreed on."""
    argv = list(order.argv)
    if order.launcher == "torchrun" and "--master-addr" in argv:
        # torchrun's own options come first; an entry's arguments are the user's
        place = argv.index("--master-addr") + 1
        if argv[place : place + 1] == [order.master_addr]:
            argv[place] = master_addr
    return argv


def rank_environment(order: Order, environ: dict[str, str], local_rank: int) -> dict[str, str]:
    """What a rank that the agent itself starts gets: torch.distributed's variables."""
    rank = order.first_rank + local_rank
    own = {
        "RANK": str(rank),
        "LOCAL_RANK": str(local_rank),
        "WORLD_SIZE": str(order.world_size),
        "LOCAL_WORLD_SIZE": str(order.nproc),
        "GROUP_RANK": str(order.node_rank),
        "NODE_RANK": str(order.node_rank),
    }
    if order.hooks:
        own["PYTHONPATH"] = _prepend(hooks_dir(order), environ.get("PYTHONPATH"))
        own["RANKDECK_ERROR_FILE"] = f"{order.attempt_dir}/rank-{rank}.error.json"
    return {**environ, **own}


def pet_log_dir(order: Order) -> str:
    """Where torchrun itself keeps logs and error files."""
    return f"{order.attempt_dir}/torchrun"


def hooks_dir(order: Order) -> str:
    """The folder whose `sitecustomize` the ranks load."""
    return f"{order.node_dir}/hooks"


def shim_text(order: Order, environ: dict[str, str]) -> str:
    """The `/bin/sh` program that torchrun runs as if it were the ranks' interpreter.

    It reports the rank, gives it its log file as stdout and stderr, and becomes the interpreter:
    no process and no pipe stays between a rank and its log.
    """
    attempt = order.attempt_dir
    # accelerate starts a single rank without telling it that it is rank 0
    alone = ":-0" if order.world_size == 1 else ""
    counts = "${TORCHELASTIC_RESTART_COUNT:-0} ${TORCHELASTIC_MAX_RESTARTS:-0}"
    told = f"$RANKDECK_RANK ${{LOCAL_RANK{alone}}} $$ {counts}"
    lines = [
        "#!/bin/sh",
        # a name of the job's own would change what the rank gets under that name
        f"RANKDECK_RANK=${{RANK{alone}}}",
        f'echo "{told}" >>{_quote(attempt + "/spawned")}',
        *_interpreter_lines(order, environ),
        *(_restore_line(name, environ) for name in _SHIM_SETS),
    ]
    if order.hooks:
        lines += [
            "export RANKDECK_RANK_PID=$$",
            f'export RANKDECK_ERROR_FILE={_quote(attempt)}"/rank-$RANKDECK_RANK.error.json"',
            f'export PYTHONPATH={_quote(hooks_dir(order))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        ]
    lines.append(f'exec "$RANKDECK_PYTHON" "$@" >>{_quote(attempt)}"/rank-$RANKDECK_RANK.log" 2>&1')
    return "\n".join(lines) + "\n"


def _interpreter_lines(order: Order, environ: dict[str, str]) -> list[str]:
    chosen = environ.get("PYTHON_EXEC")
    if chosen is not None:
        return [f"RANKDECK_PYTHON={_quote(chosen)}"]
    if order.launcher == "torchrun":
        return [f"RANKDECK_PYTHON={_quote(order.python)}"]
    # a script may have activated another environment: the ranks get the interpreter that runs
    # torchrun, which is the first word of our parent's command line
    return [
        "RANKDECK_PYTHON=$("
        'tr "\\0" "\\n" <"/proc/$PPID/cmdline" | { IFS= read -r word; echo "$word"; })',
        'case "$RANKDECK_PYTHON" in *python*) ;;',
        f"*) RANKDECK_PYTHON={_quote(order.python)} ;; esac",
    ]


def _marks(order: Order) -> dict[str, str]:
    return {
        "RANKDECK_RUN_ID": order.run_id,
        "RANKDECK_NODE": order.node,
        "RANKDECK_ATTEMPT": str(order.attempt),
    }


def _restore_line(name: str, environ: dict[str, str]) -> str:
    value = environ.get(name)
    return f"unset {name}" if value is None else f"export {name}={_quote(value)}"


def _prepend(directory: str, path: str | None) -> str:
    return f"{directory}:{path}" if path else directory


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"
