"""What Slurm complains about when it refuses a job, and what to do about it. Pure."""

from __future__ import annotations

import re

_ADVICE = (
    ("invalid partition|partition name", "partitions are listed by: sinfo --summarize"),
    ("account", "accounts are listed by: sacctmgr show associations user=$USER"),
    ("qos", "qualities of service are listed by: sacctmgr show qos"),
    ("node name", "nodes are listed by: rankdeck nodes --backend slurm, or sinfo --Node"),
    ("number of nodes", "give as many nodes with --include as with --nnodes"),
    ("feature|constraint", "features are listed by: sinfo --format '%N %f'"),
    ("reservation", "reservations are listed by: scontrol show reservation"),
    ("generic resource|gres", "GPUs and other resources are listed by: sinfo --format '%N %G'"),
    ("memory", "memory of nodes is listed by: sinfo --format '%N %m' (megabytes)"),
    ("node configuration|not available", "what there is: sinfo --Node --long; ask for less"),
    ("time limit", "limits are listed by: sinfo --summarize"),
    (
        "unable to contact|time.* ?out|connection|gave no answer",
        "is slurmctld running? try: scontrol ping",
    ),
    ("no sbatch|no srun", "run this where Slurm's commands are"),
    ("unrecognized option|invalid option|unknown option", "see: sbatch --help"),
    ("permission|access", "this user may not submit there"),
)


def explain(complaint: str) -> tuple[str, str]:
    """The message and the hint for what sbatch or srun complained."""
    text = complaint.removeprefix("Batch job submission failed: ").rstrip(".")
    lower = text.lower()
    hint = next((advice for words, advice in _ADVICE if re.search(words, lower)), "")
    return f"Slurm does not take the job: {text}", hint
