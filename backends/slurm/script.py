"""The scripts of a job: what is submitted, and what each node runs in it. Pure text.

`job.sh` is what sbatch gets (or what is run here, without sbatch): one srun, watched to its end.
`step.sh` is what that srun runs once per node: it says where it is and becomes the waiter.
"""

from __future__ import annotations

import math
import re
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from backends.slurm.settings import Settings
from rankdeck.agent_bundle import agent_command

if TYPE_CHECKING:
    from backends.slurm.layout import JobDir

_MARGIN_SECONDS = 120.0
"""What the run's own end may take after its time limit, before Slurm's strikes."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
COMMENT = "rankdeck"
_STANDBY_SECONDS = 20
"""From one look whether the run has a supervisor to the next."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """One job to be submitted."""

    run_id: str
    attempt: int
    name: str
    nodes: int
    nproc: int
    """Ranks of the node that has most."""
    nodelist: tuple[str, ...] = ()
    """Exactly these; empty: Slurm chooses."""
    exclude: str = ""
    time_limit: float | None = None
    python: str
    bundle: str
    settings: Settings
    inside: str = ""
    """The allocation it runs in; empty: it gets its own."""
    supervisor: tuple[str, ...] = ()
    """What starts a supervisor of the run; with the option to stand by."""
    kill_after: float = 30.0
    """Slurm's seconds between TERM and KILL."""

    @property
    def batch(self) -> bool:
        """Whether sbatch submits it."""
        return not (self.inside or self.settings.srun)


def comment_of(run_id: str, attempt: int) -> str:
    """What marks the job of an attempt in Slurm's queue."""
    return f"{COMMENT}:{run_id}:{attempt}"


def job_options(placement: Placement) -> tuple[str, ...]:
    """What Slurm is asked for, as options that sbatch, salloc and srun understand alike."""
    settings = placement.settings
    options = [
        f"--job-name={job_name(placement.name)}",
        f"--comment={comment_of(placement.run_id, placement.attempt)}",
        f"--nodes={placement.nodes}",
        "--ntasks-per-node=1",
    ]
    for name in ("partition", "account", "qos", "constraint", "reservation", "gres", "mem"):
        if value := getattr(settings, name):
            options.append(f"--{name}={value}")
    if settings.gpus_per_node is not None:
        options.append(f"--gpus-per-node={settings.gpus_per_node}")
    if settings.exclusive:
        options.append("--exclusive")
    if settings.cpus_per_task is not None or not settings.exclusive:
        options.append(f"--cpus-per-task={placement.nproc * (settings.cpus_per_task or 1)}")
    if limit := settings.time or _minutes(placement.time_limit):
        options.append(f"--time={limit}")
    if placement.nodelist:
        options.append(f"--nodelist={','.join(placement.nodelist)}")
    if placement.exclude:
        options.append(f"--exclude={placement.exclude}")
    return tuple(options)


def job_script(placement: Placement, job: JobDir) -> str:
    """`job.sh`."""
    header = ["#!/bin/sh"]
    if placement.batch:
        header += [f"#SBATCH {_for_sbatch(option)}" for option in _batch_options(placement, job)]
    note = (
        f"# Rankdeck's run {placement.run_id}, attempt {placement.attempt}: one waiter per node,"
        " which starts an agent for each order it finds."
    )
    return "\n".join([*header, note, f"job={quote(str(job.path))}", *_body(placement, job), ""])


def step_script(placement: Placement, job: JobDir) -> str:
    """`step.sh`: what each node runs."""
    waiter = agent_command(
        placement.python, placement.bundle, "--serve", "$1", "--kill-after",
        f"{placement.kill_after:g}",
    )  # fmt: skip
    command = " ".join('"$1"' if word == "$1" else quote(word) for word in waiter)
    return f"""#!/bin/sh
# Once per node. The first one says where the job has started.
if [ "$SLURM_PROCID" = 0 ]; then
    (
        umask 077
        printf 'job=%s\\nstep=%s\\nrestarts=%s\\nnodes=%s\\n' "$SLURM_JOB_ID" "$SLURM_STEP_ID" \\
            "${{SLURM_RESTART_COUNT:-0}}" "${{SLURM_STEP_NODELIST:-$SLURM_JOB_NODELIST}}" \\
            > "$1/.allocation"
        mv "$1/.allocation" "$1/allocation"
    )
fi
exec {command}
"""


def job_name(name: str) -> str:
    """The run's name as squeue can show it."""
    return _NOT_IN_NAMES.sub("-", name).strip("-")[:64] or COMMENT


def _batch_options(placement: Placement, job: JobDir) -> list[str]:
    settings = placement.settings
    options = [
        *job_options(placement),
        f"--output={_literal(str(job.log))}",
        "--open-mode=append",
        f"--chdir={job.path}",
        "--requeue" if settings.requeue else "--no-requeue",
    ]
    if settings.warning:
        # to the script alone: a launcher that gets it would end
        options.append(f"--signal=B:{settings.warning}@{settings.warning_seconds}")
    return [*options, *settings.lines]


def _body(placement: Placement, job: JobDir) -> list[str]:
    lines = []
    start = "0"
    if placement.batch:
        start = "${SLURM_RESTART_COUNT:-0}"
        lines += [
            "# a submission that was repeated leaves the work to the first",
            '(umask 077; echo "$SLURM_JOB_ID" > "$job/.claim.$SLURM_JOB_ID")',
            'ln "$job/.claim.$SLURM_JOB_ID" "$job/claim" 2>/dev/null',
            'rm -f "$job/.claim.$SLURM_JOB_ID"',
            'if [ "$(cat "$job/claim")" != "$SLURM_JOB_ID" ]; then',
            '    echo "another job runs for this attempt: $(cat "$job/claim")"',
            "    exit 0",
            "fi",
        ]
    lines += [
        f'start="$job/start-{start}"',
        '(umask 077; mkdir -p "$start/calls" "$start/said")',
    ]
    if placement.batch:
        # Slurm ends the nodes' part itself; this script stays to say how that went
        lines.append("trap : TERM")
    if placement.settings.warning:
        name = placement.settings.warning
        lines += [
            f'warn() {{ (umask 077; echo {name} > "$start/.warned");'
            ' mv "$start/.warned" "$start/warned"; }',
            f"trap warn {name}",
        ]
    if placement.supervisor:
        lines += _standby(placement.supervisor)
    lines += [
        "unset SLURM_CPU_BIND SLURM_DISTRIBUTION SLURM_KILL_BAD_EXIT SLURM_WAIT SLURM_LABELIO",
        f"srun {_srun_words(placement)} \\",
        '    --output="$start/%N.log" sh "$job/step.sh" "$start" 2>> "$start/srun.log" &',
        "srun=$!",
        'while wait "$srun"; status=$?; kill -0 "$srun" 2>/dev/null; do :; done',
        '(umask 077; echo "$status" > "$start/.finished")',
        'mv "$start/.finished" "$start/finished"',
    ]
    if placement.supervisor:
        # it may be the one that writes down how the run ended
        lines.append('wait "$standby"')
    return [*lines, "exit $status"]


def _standby(supervisor: tuple[str, ...]) -> list[str]:
    """Start a supervisor now and then; while there is one, another ends at once."""
    command = " ".join(quote(word) for word in supervisor)
    return [
        "(",
        "    seconds=0",
        '    while [ ! -e "$start/finished" ]; do',
        "        sleep 1",
        "        seconds=$((seconds + 1))",
        f"        [ $((seconds % {_STANDBY_SECONDS})) = 0 ] || continue",
        f'        {command} </dev/null >> "$job/standby.log" 2>&1',
        "    done",
        ") &",
        "standby=$!",
    ]


def _srun_words(placement: Placement) -> str:
    words = [f"--nodes={placement.nodes}", f"--ntasks={placement.nodes}", "--ntasks-per-node=1"]
    if placement.inside:
        words += [f"--jobid={placement.inside}", "--overlap"]
        if placement.nodelist:
            words.append(f"--nodelist={','.join(placement.nodelist)}")
    elif not placement.batch:
        words = [*job_options(placement), f"--ntasks={placement.nodes}", *placement.settings.lines]
    words += ["--kill-on-bad-exit=0", "--wait=0", "--cpu-bind=none", "--mpi=none"]
    words += ["--input=none", "--open-mode=append"]
    text = " ".join(quote(word) for word in words)
    if placement.batch:
        # srun does not take it from the job by itself in every release
        text += " ${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}"
    return text


def _minutes(seconds: float | None) -> str:
    return "" if seconds is None else str(math.ceil((seconds + _MARGIN_SECONDS) / 60))


def _literal(path: str) -> str:
    """A path without the patterns that Slurm would replace in it."""
    return path.replace("%", "%%")


def _for_sbatch(option: str) -> str:
    """An option as a line of the script: sbatch reads quotes as a shell does."""
    name, equals, value = option.partition("=")
    if not re.search(r"[\s\"'\\#]", value) or option.startswith("-") is False:
        return option
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{equals}"{escaped}"'
