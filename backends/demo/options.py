"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from rankdeck.backend import BackendOption

SCENARIOS: tuple[str, ...] = ("healthy", "oom", "segfault", "hang", "straggler", "nan", "node-lost")

OPTIONS: tuple[BackendOption, ...] = (
    BackendOption(
        name="scenario",
        type="str",
        label="What happens",
        help="What goes wrong, about halfway",
        default="healthy",
        choices=SCENARIOS,
    ),
    BackendOption(
        name="steps",
        type="int",
        label="Steps",
        help="How many steps the simulated training has",
        default=200,
    ),
    BackendOption(
        name="step_seconds",
        type="float",
        label="Seconds a step",
        help="How long each of them takes",
        default=1.0,
        metavar="SECONDS",
    ),
    BackendOption(
        name="unreachable_after",
        type="float",
        label="Lost after",
        help="Seconds of silence after which a node counts as lost",
        default=90.0,
        metavar="SECONDS",
    ),
)
