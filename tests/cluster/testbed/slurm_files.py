"""Slurm's configuration: real daemons, several on one machine, quick to notice what happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .bed import LOGIN

if TYPE_CHECKING:
    from .bed import Bed, Options

CONTROLLER_PORT = 16817
SLURMD_PID = "/run/slurmd.pid"
"""Written once a node's slurmd listens."""

_SLURM = """\
ClusterName={name}
SlurmctldHost={login}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={sockets}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={run}/slurm/state
SlurmdSpoolDir={run}/hosts/%n/slurmd
SlurmctldPidFile={run}/slurm/slurmctld.pid
SlurmdPidFile={slurmd_pid}
SlurmctldLogFile={run}/slurm/slurmctld.log
SlurmdLogFile={run}/hosts/%n/slurmd.log
SlurmctldDebug=info
SlurmdDebug=info
# no cgroups, no pinning
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
# nodes have what is said here, not the cores that slurmd counts
SlurmdParameters=config_overrides
# limits of a login shell can be above what a host without CAP_SYS_RESOURCE may set
PropagateResourceLimits=NONE
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
# a dead node is seen after SlurmdTimeout, a cancelled job is killed after KillWait
SlurmdTimeout={node_timeout}
SlurmctldTimeout={node_timeout}
InactiveLimit=0
KillWait=10
MinJobAge=300
Waittime=0
TCPTimeout={tcp_timeout}
MessageTimeout={message_timeout}
BatchStartTimeout={message_timeout}
UnkillableStepTimeout={unkillable_timeout}
JobCompType=jobcomp/filetxt
JobCompLoc={run}/slurm/jobcomp.log
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=debug Nodes={node_list} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
PartitionName=short Nodes={node_list} MaxTime=00:10:00 State=UP
"""


def write(bed: Bed, options: Options) -> None:
    """Everything under `etc` that Slurm and munge read."""
    (bed.run / "slurm" / "state").mkdir(parents=True, exist_ok=True)
    _write_munge_key(bed)
    kind = f"{options.gpu_type}:" if options.gpu_type else ""
    gres = f" Gres=gpu:{kind}{options.gpus}" if options.gpus else ""
    nodes = [
        f"NodeName={name} CPUs={options.cpus} RealMemory=4000{gres} State=UNKNOWN"
        for name in options.nodes
    ]
    bed.slurm_conf.write_text(
        _SLURM.format(
            name=bed.name,
            login=LOGIN,
            run=bed.run,
            sockets=bed.sockets,
            controller_port=CONTROLLER_PORT,
            slurmd_pid=SLURMD_PID,
            node_port=CONTROLLER_PORT + 1,
            node_timeout=60 if options.large else 10,
            tcp_timeout=15 if options.large else 2,
            message_timeout=60 if options.large else 10,
            unkillable_timeout=120 if options.large else 15,
            nodes="\n".join(nodes),
            node_list=",".join(options.nodes),
        )
    )
    _write_gpus(bed, options)
    # slurmd 22.05 loads a cgroup plugin even if nothing uses one, and ends where it finds no
    # cgroup file system by itself
    (bed.etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")


def _write_munge_key(bed: Bed) -> None:
    path = bed.etc / "munge.key"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o400)
    with os.fdopen(descriptor, "wb") as key:
        key.write(os.urandom(1024))


def _write_gpus(bed: Bed, options: Options) -> None:
    """Stand-ins for /dev/nvidia0 and so on: clones of /dev/null, as Slurm wants devices."""
    text = "AutoDetect=off\n"
    for index in range(options.gpus):
        device = bed.etc / f"gpu{index}"
        if not device.exists():
            os.mknod(device, 0o020666, os.makedev(1, 3))
    if options.gpus:
        kind = f" Type={options.gpu_type}" if options.gpu_type else ""
        files = f"{bed.etc}/gpu[0-{options.gpus - 1}]" if options.gpus > 1 else f"{bed.etc}/gpu0"
        text += f"NodeName={','.join(options.nodes)} Name=gpu{kind} File={files}\n"
    (bed.etc / "gres.conf").write_text(text)
