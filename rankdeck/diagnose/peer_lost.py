"""What a rank says when it is another one that went away: consequences, not causes."""

from __future__ import annotations

import re
from enum import Enum


class Complaint(str, Enum):
    """What a rank complains of, when it complains of the others."""

    LOST = "lost its connection to another rank"
    WAITED = "waited in vain for another rank"
    TOLD = "was told to end"


_DIRECT = (
    (Complaint.LOST, r"gloo/transport/tcp/\S+\] (?:Connection closed by peer|Read error|writev)"),
    (Complaint.LOST, r"Connection closed by peer \["),
    (Complaint.LOST, r"ncclRemoteError|remote process exited or there was a network error"),
    (Complaint.LOST, r"Connection closed by remote peer"),
    (Complaint.LOST, r"NET/IB ?: ?Got completion from peer .*(?:status=5|error 5)\b"),
    (Complaint.LOST, r"Connection was likely closed\. Did the remote server shutdown or crash"),
    (Complaint.LOST, r"Failed to recv, got 0 bytes"),
    (Complaint.LOST, r"[Bb]roken pipe.*(?:TCPStore|c10d|socket\.cpp)"),
    (Complaint.LOST, r"NCCL communicator was aborted"),
    (Complaint.LOST, r"RendezvousClosedError"),
    (Complaint.WAITED, r"Watchdog caught collective operation timeout"),
    (Complaint.WAITED, r"Some NCCL operations have failed or timed out"),
    (Complaint.WAITED, r"gloo/transport/tcp/\S+\] Timed out waiting|Application timeout caused"),
    (Complaint.WAITED, r"Timed out after \d+ seconds waiting for clients"),
    (Complaint.WAITED, r"(?:wait|store->get|barrier).*timeout after \d+ ?ms|Socket Timeout"),
    (Complaint.TOLD, r"DataLoader worker \(pid\S* \d+\) is killed by signal: Terminated"),
    (Complaint.TOLD, r"SignalException: Process \d+ got signal"),
    (Complaint.TOLD, r"^KeyboardInterrupt"),
)
"""Sure by themselves."""

_IN_CONTEXT = ((Complaint.LOST, r"Connection reset by peer|Broken pipe"),)
"""Said of other things too (a download): only where torch's communication is named nearby."""

_DISTRIBUTED = re.compile(r"torch/distributed|c10d|[gG]loo|TCPStore|ProcessGroup|nccl|NCCL")


def complaint_in(text: str) -> Complaint | None:
    """What these last words complain of; None where they speak of something of the rank's own."""
    for complaint, pattern in _COMPILED:
        if pattern.search(text):
            return complaint
    if _DISTRIBUTED.search(text):
        for complaint, pattern in _COMPILED_IN_CONTEXT:
            if pattern.search(text):
                return complaint
    return None


_COMPILED = [(complaint, re.compile(text, re.MULTILINE)) for complaint, text in _DIRECT]
_COMPILED_IN_CONTEXT = [(complaint, re.compile(text)) for complaint, text in _IN_CONTEXT]
