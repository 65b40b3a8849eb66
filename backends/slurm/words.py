"""What Slurm's states and reasons mean, for somebody who does not know them by heart. Pure."""

from __future__ import annotations

import re
from enum import Enum

from rankdeck.backend_reports import Ended

_LIMIT = "a limit of your account or QOS is reached; the job waits until others of it have ended"
_REASONS = {
    "Priority": "jobs of higher priority are before it",
    "Resources": "next in line; it waits for nodes to become free",
    "None": "just submitted",
    "BeginTime": "its time to begin has not come yet",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "it waits for a job that has failed: it will never start",
    "JobHeldUser": "it is held; release it with: scontrol release {job}",
    "JobHeldAdmin": "an administrator holds it",
    "JobHoldMaxRequeue": "it was requeued too often and is held",
    "Licenses": "it waits for a licence",
    "NodeDown": "a node it needs is down",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs at present",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionTimeLimit": "its time limit is longer than the partition allows: it will not start",
    "PartitionConfig": "the partition has no such nodes, or does not allow such jobs",
    "ReqNodeNotAvail": "a node it needs is down, drained or reserved",
    "Reservation": "it waits for its reservation to begin",
    "ReservationDeleted": "its reservation is gone: it will never start",
    "BadConstraints": "no node fits what it asks for: it will never start",
    "NodesUnavailable": "too few of the nodes it could use are up",
    "InvalidAccount": "its account is not valid: it will never start",
    "InvalidQOS": "its QOS is not valid: it will never start",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its QOS may not be used in this partition",
    "JobLaunchFailure": "it could not be launched",
    "Cleaning": "its last start is still being cleaned up",
    "FedJobLock": "the federation of clusters is deciding",
    "BurstBufferResources": "it waits for space in the burst buffer",
    "BurstBufferStageIn": "its data is being brought in",
    "SchedDefer": "the scheduler looks at it later",
    "Prolog": "its nodes are being prepared",
    "DeadLine": "it cannot end before its deadline",
}  # fmt: skip
_PREFIXES = ("QOS", "Assoc", "MaxJobs", "MaxCpu", "MaxNode", "MaxGRES", "MaxMem", "MaxTRES")
HOPELESS = frozenset({"DependencyNeverSatisfied", "ReservationDeleted", "BadConstraints",
                      "InvalidAccount", "InvalidQOS"})  # fmt: skip


class Phase(str, Enum):
    """What a job's state means for its run."""

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"
    """Its processes are being ended."""
    OVER = "over"
    UNKNOWN = "unknown"


_PHASES = {
    "PENDING": Phase.WAITING, "REQUEUED": Phase.WAITING, "REQUEUE_HOLD": Phase.WAITING,
    "REQUEUE_FED": Phase.WAITING, "RESV_DEL_HOLD": Phase.WAITING, "SPECIAL_EXIT": Phase.WAITING,
    "CONFIGURING": Phase.RUNNING, "RUNNING": Phase.RUNNING, "SIGNALING": Phase.RUNNING,
    "STAGE_OUT": Phase.ENDING, "RESIZING": Phase.RUNNING, "COMPLETING": Phase.ENDING,
    "SUSPENDED": Phase.SUSPENDED, "STOPPED": Phase.SUSPENDED,
    "BOOT_FAIL": Phase.OVER, "CANCELLED": Phase.OVER, "COMPLETED": Phase.OVER,
    "DEADLINE": Phase.OVER, "FAILED": Phase.OVER, "NODE_FAIL": Phase.OVER,
    "OUT_OF_MEMORY": Phase.OVER, "PREEMPTED": Phase.OVER, "TIMEOUT": Phase.OVER,
    "REVOKED": Phase.OVER, "LAUNCH_FAILED": Phase.OVER, "RECONFIG_FAIL": Phase.OVER,
    "POWER_UP_NODE": Phase.RUNNING, "UPDATE_DB": Phase.ENDING, "EXPEDITING": Phase.WAITING,
}  # fmt: skip


def phase_of(state: str) -> Phase:
    """What `%T` of squeue, or JobState, means; `CANCELLED by 1000` counts as CANCELLED."""
    words = state.split()
    return _PHASES.get(words[0].rstrip("+").upper(), Phase.UNKNOWN) if words else Phase.UNKNOWN


def reason_text(reason: str, job: str) -> str:
    """A pending reason in words; the reason itself where it has none here."""
    name = reason.strip().strip("()").split(",")[0].split("(")[0].strip()
    known = _REASONS.get(name)
    if known is None and name.startswith(_PREFIXES):
        known = _LIMIT
    return f"{name}: {known.format(job=job)}" if known else name or "no reason is given"


def queued_text(job: str, reason: str, start: str) -> str:
    """`job 4711 waits: Priority: …; estimated start 14:20`."""
    text = f"job {job} waits: {reason_text(reason, job)}"
    return f"{text}; estimated start {start}" if start else text


def when(start: str) -> str:
    """An estimated start (`2026-11-21T15:30:48`) as people say it; empty when there is none."""
    date, t, clock = start.partition("T")
    return f"{date} {clock[:5]}" if t else ""


_CANCELLED_BY = re.compile(r"CANCELLED by (\S+)")
_DUE_TO = {
    "DUE TO TIME LIMIT": "TIMEOUT",
    "DUE TO PREEMPTION": "PREEMPTED",
    "DUE TO NODE FAILURE": "NODE_FAIL",
    "DUE TO JOB REQUEUE": "REQUEUED",
    "DUE TO JOB NOT RUNNING": "CANCELLED",
}
_NOTICE = re.compile(
    r"\*\*\* (?:JOB|STEP) (\d+)\S* ON \S+ CANCELLED AT \S+(?: (DUE TO .*?))? \*\*\*"
)
_NODE_FAILURE = re.compile(r"Node failure on (\S+)")
_TASK_END = re.compile(r"srun: error: (\S+?): tasks? \d[\d,-]*: (.+)")
_TASK_UNBORN = re.compile(r"srun: error: tasks? (\d+) launch failed: (.+)")
_NODE_UNREACHED = re.compile(r"srun: error: Task launch for \S+ failed on node (\S+?): (.+)")


def cancelled_as(log: str, job: str) -> str:
    """The state that the nodes' own notices say the job ends in; empty when they say nothing.

    A notice without a reason is a cancellation.
    """
    found = ""
    for match in _NOTICE.finditer(log):
        if match[1] == job:
            due = match[2] or ""
            found = next((state for text, state in _DUE_TO.items() if due.startswith(text)), "")
            found = found or "CANCELLED"
    return found


def failed_node(log: str) -> str | None:
    """The node that srun says has failed."""
    match = _NODE_FAILURE.search(log)
    return match[1].rstrip(".,") if match else None


def ended_tasks(log: str, nodes: tuple[str, ...]) -> dict[str, str]:
    """How the waiters of nodes ended, in srun's words, by node; a waiter that left says nothing.

    There is one task per node, in their order.
    """
    found = {match[1]: match[2].strip() for match in _TASK_END.finditer(log)}
    found.update((match[1], match[2].strip()) for match in _NODE_UNREACHED.finditer(log))
    for match in _TASK_UNBORN.finditer(log):
        if int(match[1]) < len(nodes):
            found[nodes[int(match[1])]] = f"launch failed: {match[2].strip()}"
    return {node: how for node, how in found.items() if node in nodes}


def ended_report(
    job: str, state: str, *, requeues: bool, node: str | None = None, detail: str = ""
) -> Ended:
    """What a job's end means to its run.

    Args:
        job: Its id.
        state: As Slurm says it.
        requeues: Slurm will start it again.
        node: The node that caused it.
        detail: What the job's own output says; told of ends that explain nothing.
    """
    name = state.split()[0].rstrip("+").upper() if state.split() else ""
    again = requeues and name in ("NODE_FAIL", "PREEMPTED", "REQUEUED", "PENDING", "REQUEUE_HOLD")
    if name in ("REQUEUED", "PENDING", "REQUEUE_HOLD"):
        return Ended(category="requeued", message=f"Slurm has requeued job {job}", again=True)
    if name == "CANCELLED":
        by = _CANCELLED_BY.search(state)
        who = f" by {by[1]}" if by else ""
        return Ended(category="cancelled", message=f"job {job} was cancelled{who}", stopped=True)
    category, message, hint = _ENDS.get(name, _OTHER)
    message = message.format(job=job, state=f" ({name})" if name else "")
    if detail and category == "launcher-died":
        message = f"{message}: {detail}"
    if node and name == "NODE_FAIL":
        message = f"{message} ({node})"
    if again:
        message = f"{message}; Slurm starts it again"
    return Ended(
        category=category,
        message=message,
        hint=hint,
        again=again,
        node=node,
    )


_OTHER = ("launcher-died", "job {job} has ended{state}", "see slurm/ in the run directory")
_ENDS = {
    "TIMEOUT": ("time-limit", "job {job} has reached Slurm's time limit",
                "give more --time, or write checkpoints: --signal USR1@300 warns the ranks"),
    "PREEMPTED": ("preempted", "job {job} was preempted by another job",
                  "--requeue lets Slurm start it again"),
    "NODE_FAIL": ("node-failure", "a node of job {job} has failed",
                  "look with: scontrol show node; --requeue lets Slurm start the job again"),
    "BOOT_FAIL": ("node-failure", "a node of job {job} could not be started", ""),
    "OUT_OF_MEMORY": ("out-of-memory", "job {job} used more memory than it was given",
                      "ask for more with --mem"),
    "DEADLINE": ("deadline", "job {job} has reached its deadline", ""),
    "COMPLETED": ("launcher-died", "job {job} has ended under its agents",
                  "see slurm/ in the run directory"),
    "REVOKED": ("cancelled", "another cluster of the federation runs job {job}", ""),
}  # fmt: skip
