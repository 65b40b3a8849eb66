"""script: a train.sh of the platform's contract, which calls torchrun itself.

It is always run by bash (the contract's template needs bash, and its file mode is not
executable). Its ranks are reached through torchrun's own environment variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.spec import PassAs
from rankdeck.job.values import quoted
from rankdeck.launchers.base import NodeCommand
from rankdeck.launchers.entry import check_file, check_line_ends, problem, read_script, warning
from rankdeck.launchers.options import takes_no_options
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext

_WITH_PATH = 'PATH="$0:$PATH" exec bash "$@"'
_SPLITTING = frozenset(" \t\n*?[")


class ScriptLauncher:
    """Runs a shell script once per node."""

    name = "script"
    title = "a shell script (train.sh) that starts the ranks"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = None

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The script can be run, and uses no value unquoted that the shell would split."""
        if problems := check_file(spec.entry):
            return problems
        if spec.entry.endswith(".py"):
            return (problem(f"{spec.entry} is a Python file", "use the torchrun launcher"),)
        return (*check_line_ends(spec.entry), *takes_no_options(spec), *_check_splitting(spec))

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """`bash train.sh`, with the interpreter's own directory first on `$PATH`.

        So `torchrun` and `python` in the script are those of the job's interpreter, also when its
        environment is not activated. The torchrun inside gets the run's id from the environment.
        """
        argv: tuple[str, ...] = ("bash", spec.entry, *spec.args)
        folder = node.python.rpartition("/")[0]
        if folder:
            argv = ("bash", "-c", _WITH_PATH, folder, *argv[1:])
        return NodeCommand(argv=argv, env={"PET_RDZV_ID": node.run_id})


def _check_splitting(spec: JobSpec) -> tuple[Problem, ...]:
    risky = {
        name: (field, value)
        for name, field, value in _variables(spec)
        if value == "" or not _SPLITTING.isdisjoint(value)
    }
    if not risky:
        return ()
    # imported late: seldom needed
    from rankdeck.launchers.shell_scan import unquoted_uses

    text = read_script(spec.entry).decode("utf-8", "replace")
    problems = []
    for use in unquoted_uses(text, frozenset(risky)):
        field, value = risky[use.name]
        happens = "dropped" if value == "" else "split or expanded"
        problems.append(
            warning(
                f"${use.name} is used without quotes, and its value {quoted(value)} would be"
                f" {happens} by the shell",
                field,
                f'write "${{{use.name}}}"',
                file=spec.entry,
                line=use.line,
            )
        )
    return tuple(problems)


def _variables(spec: JobSpec) -> list[tuple[str, str, str]]:
    variables = [
        ("PROJECT_DIR", "project", spec.project),
        ("SCRIPT_DIR", "project", spec.project),
        ("DATASET_DIR", "dataset_dir", spec.dataset_dir or spec.project),
        ("MODEL_DIR", "model_dir", spec.model_dir or spec.project),
        ("OUTPUT_DIR", "output_dir", spec.output_dir or spec.project),
    ]
    if spec.pass_as is not PassAs.ARGS:
        for name, value in spec.hyperparameters.items():
            variables.append((name, f"hyperparameters.{name}", value))
    variables += [(name, f"env.{name}", value) for name, value in spec.env.items()]
    return variables
