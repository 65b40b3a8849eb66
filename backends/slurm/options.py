"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from rankdeck.backend import BackendOption

OPTIONS: tuple[BackendOption, ...] = (
    BackendOption(name="partition", type="str", label="Partition", metavar="NAME",
                  help="Partition (queue) the job is submitted to."),
    BackendOption(name="account", type="str", label="Account", metavar="NAME",
                  help="Account the job is charged to."),
    BackendOption(name="qos", type="str", label="QOS", metavar="NAME", help="Quality of service."),
    BackendOption(name="time", type="str", label="Slurm time limit", metavar="[D-]HH:MM:SS",
                  help="Slurm's time limit (default: the run's --time-limit and some minutes)."),
    BackendOption(name="constraint", type="str", label="Constraint", metavar="FEATURES",
                  help="Features the nodes must have."),
    BackendOption(name="reservation", type="str", label="Reservation", metavar="NAME",
                  help="Reservation to use."),
    BackendOption(name="exclusive", type="bool", label="Exclusive", default=False,
                  help="Have the nodes alone."),
    BackendOption(name="gpus_per_node", type="int", label="GPUs per node", metavar="N",
                  help="GPUs of each node."),
    BackendOption(name="gres", type="str", label="Generic resources", metavar="LIST",
                  help="Generic resources of each node, as gpu:a100:4."),
    BackendOption(name="cpus_per_task", type="int", label="CPUs per rank", metavar="N",
                  help="CPUs of each rank (default: 1; with --exclusive all of the node)."),
    BackendOption(name="mem", type="str", label="Memory", metavar="SIZE",
                  help="Memory of each node, as 64G; 0: all of it."),
    BackendOption(name="signal", type="str", label="Warning signal", metavar="NAME@SECONDS",
                  help="Send the ranks a signal before the time limit, as USR1@300."),
    BackendOption(name="requeue", type="bool", label="Requeue", default=False,
                  help="Let Slurm start the job again after a node failure or preemption."),
    BackendOption(name="standby", type="bool", label="Stand by", default=False,
                  help="Let the job's first node look after the run when this host is gone."),
    BackendOption(name="srun", type="bool", label="Without sbatch", default=False,
                  help="Start by srun from here instead of sbatch; this host must stay up."),
    BackendOption(name="per_rank", type="bool", label="One process a rank", default=False,
                  help="Let srun start every rank itself, for programs that use MPI."),
    BackendOption(name="mpi", type="str", label="MPI plugin", metavar="TYPE",
                  help="With --per-rank: srun's --mpi (default: the site's)."),
    BackendOption(name="sbatch_line", type="str", label="More options", metavar="OPTION",
                  repeatable=True, help="A further option of sbatch, as --mail-type=END."),
)  # fmt: skip
