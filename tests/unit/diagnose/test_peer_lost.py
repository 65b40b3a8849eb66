from __future__ import annotations

import pytest

from rankdeck.diagnose.peer_lost import Complaint, complaint_in

GLOO = "RuntimeError: [/__w/pytorch/third_party/gloo/gloo/transport/tcp/"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (GLOO + "pair.cc:553] Connection closed by peer [127.0.0.1]:15274.", Complaint.LOST),
        (
            GLOO + "pair.cc:537] Read error [127.0.0.1]:8902: Connection reset by peer",
            Complaint.LOST,
        ),
        (GLOO + "unbound_buffer.cc:78] Timed out waiting 6000ms for recv", Complaint.WAITED),
        ("ncclRemoteError: A call failed possibly due to a network error", Complaint.LOST),
        (
            "NCCL WARN socketProgress: Connection closed by remote peer n1<40031>",
            Complaint.LOST,
        ),
        (
            "[c10d] recvValueWithTimeout failed: Failed to recv, got 0 bytes. "
            "Connection was likely closed. Did the remote server shutdown or crash?",
            Complaint.LOST,
        ),
        (
            "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1580)",
            Complaint.WAITED,
        ),
        (
            'File "/x/torch/distributed/distributed_c10d.py", line 1\n'
            "RuntimeError: Connection reset by peer",
            Complaint.LOST,
        ),
        (
            "DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.",
            Complaint.WAITED,
        ),
        (
            "RuntimeError: DataLoader worker (pid 77) is killed by signal: Terminated.",
            Complaint.TOLD,
        ),
        ("SignalException: Process 12 got signal: 15", Complaint.TOLD),
    ],
)
def test_complaints_of_others_are_known(words: str, complaint: Complaint) -> None:
    assert complaint_in(words) is complaint


@pytest.mark.parametrize(
    "words",
    [
        "ValueError: boom",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.35 GiB.",
        "requests: ConnectionResetError: [Errno 104] Connection reset by peer",
        "BrokenPipeError: [Errno 32] Broken pipe",
        "RuntimeError: NCCL error: invalid usage, duplicate GPU detected",
        "DataLoader worker (pid 77) is killed by signal: Killed.",
        "step 3 loss 3.7",
        "",
    ],
)
def test_what_a_rank_says_of_itself_is_none(words: str) -> None:
    assert complaint_in(words) is None
