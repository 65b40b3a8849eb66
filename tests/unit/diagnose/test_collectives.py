"""Who did not come to a collective, from the lines that torch's versions print."""

from __future__ import annotations

import pytest

from rankdeck.diagnose.collectives import Absent, Testimony, absent_from, heard_in


def watchdog(rank: int, seq: int, op: str = "ALLREDUCE", numel: int = 8) -> str:
    return (
        f"[rank{rank}]:[E321 02:07:08.408271257 ProcessGroupNCCL.cpp:607] [Rank {rank}] Watchdog "
        f"caught collective operation timeout: WorkNCCL(SeqNum={seq}, OpType={op}, "
        f"NumelIn={numel}, NumelOut={numel}, Timeout(ms)=600000) ran for 600060 milliseconds "
        "before timing out."
    )


def v24(rank: int, seq: int, enqueued: int, completed: int, group: str = "0 (default_pg)") -> str:
    return (
        f"[rank{rank}]:[E ProcessGroupNCCL.cpp:1664] [PG {group} Rank {rank}] Exception (either an "
        f"error or timeout) detected by watchdog at work: {seq}, last enqueued NCCL work: "
        f"{enqueued}, last completed NCCL work: {completed}."
    )


def v27(
    rank: int, seq: int, enqueued: int, completed: int, group: str = "0 PG GUID 0(default_pg)"
) -> str:
    return (
        f"[rank{rank}]:[E808 04:21:41.161005534 ProcessGroupNCCL.cpp:2299] [PG ID {group} Rank "
        f"{rank}]  failure detected by watchdog at work sequence id: {seq} PG status: last "
        f"enqueued work: {enqueued}, last completed work: {completed}"
    )


def dump(rank: int, enqueued: int, completed: int, group: str = "0 PG GUID 0(default_pg)") -> str:
    return (
        f"[rank{rank}]:[E703 15:37:17.1 ProcessGroupNCCL.cpp:1987] [PG ID {group} Rank {rank}] "
        "Received a dump signal due to a collective timeout from  rank 7 and we will try our best "
        f"to dump the debug info. Last enqueued NCCL work: {enqueued}, last completed NCCL work: "
        f"{completed}.This is most likely caused by incorrect usages of collectives"
    )


def absent(texts: dict[int, str], world: int) -> Absent | None:
    told = {rank: heard_in(text) for rank, text in texts.items()}
    return absent_from(told, range(world))


@pytest.mark.parametrize("status", [v24, v27])
def test_who_never_began_the_work_is_certain(status: object) -> None:
    assert callable(status)
    texts = {rank: f"{watchdog(rank, 12)}\n{status(rank, 12, 14, 11)}" for rank in (0, 1, 3)}
    found = absent({**texts, 2: dump(2, 11, 11)}, 4)
    assert found is not None
    assert (found.ranks, found.certain) == ((2,), True)
    assert found.how == (
        "never began ALLREDUCE 12 of default_pg, which the others waited for: "
        "the last it began was 11"
    ) or found.how.startswith("never began ALLREDUCE 12")


def test_who_says_nothing_is_only_likely() -> None:
    texts = {rank: f"{watchdog(rank, 5)}\n{v27(rank, 5, 5, 4)}" for rank in (0, 1, 2)}
    found = absent(texts, 4)
    assert found == Absent(
        ranks=(3,),
        certain=False,
        how="did not report ALLREDUCE 5 of default_pg, which the others waited for",
    )


def test_first_versions_say_no_group_and_no_status() -> None:
    found = absent({rank: watchdog(rank, 5) for rank in (0, 2, 3)}, 4)
    assert found is not None
    assert (found.ranks, found.certain) == ((1,), False)
    old = (
        "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(OpType=BROADCAST, Timeout"
    )
    assert absent({0: old, 1: old}, 4) is None


def test_ranks_outside_the_group_are_not_suspected() -> None:
    group = "5 PG GUID 22(TENSOR_MODEL_PARALLEL_GROUP)"
    texts = {0: f"{watchdog(0, 9, 'ALLGATHER')}\n{v27(0, 9, 20, 8, group)}"}
    assert absent(texts, 8) is None
    # the status of another group says nothing of this one
    assert absent({**texts, 3: dump(3, 2, 2)}, 8) is None
    found = absent({**texts, 1: dump(1, 8, 8, group)}, 8)
    assert found is not None
    assert found.ranks == (1,)
    assert "ALLGATHER 9 of TENSOR_MODEL_PARALLEL_GROUP" in found.how


def test_groups_of_one_number_are_told_apart_by_their_guid() -> None:
    left, right = "5 PG GUID 22(TP)", "5 PG GUID 23(TP)"
    texts = {
        0: f"{watchdog(0, 9)}\n{v27(0, 9, 9, 8, left)}",
        1: f"{watchdog(1, 9)}\n{v27(1, 9, 9, 8, left)}",
        2: dump(2, 4, 4, right),
        3: dump(3, 4, 4, right),
    }
    assert absent(texts, 4) is None


def test_who_waits_in_another_group_is_not_the_one_that_began_it() -> None:
    pipe = "6 PG GUID 31(PIPELINE)"
    texts = {rank: f"{watchdog(rank, 9)}\n{v27(rank, 9, 9, 8)}" for rank in (0, 1, 2)}
    # 3 never came to the others' work: it waits for 4 in the pipeline
    texts[3] = "\n".join((watchdog(3, 40, "SEND"), v27(3, 40, 40, 39, pipe), dump(3, 8, 8)))
    texts[4] = "\n".join((dump(4, 39, 39, pipe), dump(4, 8, 8)))
    found = absent(texts, 5)
    assert found is not None
    assert (found.ranks, found.certain) == ((4,), True)
    assert "SEND 40 of PIPELINE" in found.how
    del texts[4]
    found = absent(texts, 4)
    assert found is not None
    assert (found.ranks, found.certain) == ((3,), False)


def test_another_call_at_the_same_place_is_found() -> None:
    texts = {rank: f"{watchdog(rank, 7)}\n{v27(rank, 7, 7, 6)}" for rank in (0, 1, 2)}
    texts[3] = f"{watchdog(3, 7, 'ALLGATHER')}\n{v27(3, 7, 7, 6)}"
    found = absent(texts, 4)
    assert found is not None
    assert (found.ranks, found.certain) == ((3,), False)
    assert found.how == "called something else as work 7 of default_pg than the others (ALLREDUCE)"
    # of two calls made equally often none is the odd one
    texts[2] = texts[3]
    assert absent(texts, 4) is None


def test_all_that_came_to_it_means_that_nobody_is_missing() -> None:
    texts = {rank: f"{watchdog(rank, 7)}\n{v27(rank, 7, 7, 6)}" for rank in range(4)}
    assert absent(texts, 4) is None


@pytest.mark.parametrize(
    ("text", "ranks", "by"),
    [
        ("[Rank 0]: Rank 1 failed to pass monitoredBarrier in 2000 ms", (1,), "monitored_barrier"),
        (
            "[Rank 0]: Ranks 1, 2 failed to pass monitoredBarrier in 120000 ms",
            (1, 2),
            "monitored_barrier",
        ),
        (
            "\n\t - To our best knowledge, the lagging/dead/mismatched ranks that caused the "
            "desync are:\n\t     [3, 5] finished collective #12, but didn't join collective #13 "
            "(count from 1)",
            (3, 5),
            "the desync report",
        ),
        (
            "torch.distributed.DistStoreError: wait timeout after 6000ms, keys: "
            "/default_pg/0//cpu//0/2",
            (2,),
            "gloo",
        ),
    ],
)
def test_ranks_that_torch_names(text: str, ranks: tuple[int, ...], by: str) -> None:
    told = heard_in(text)
    assert (told.named, told.by) == (ranks, by)
    found = absent_from({0: told}, range(8))
    assert found is not None
    assert (found.ranks, found.certain) == (ranks, True)
    assert by in found.how


@pytest.mark.parametrize(
    "text",
    [
        "Watchdog caught collective operation timeout: WorkNCCL(SeqNum={}, OpType=ALLREDUCE)",
        "Watchdog caught collective operation timeout: WorkNCCL(OpType=ALLREDUCE, NumelIn={})",
        "[PG 0 Rank 1] collective at work: {}, last enqueued work: 1, last completed work: 1",
        "[PG 0 Rank 1] collective at work: 1, last enqueued work: {}, last completed work: 1",
        "Rank {} failed to pass monitoredBarrier",
        "wait timeout after 1ms, keys: /default_pg/0//cpu//0/{}",
    ],
)
def test_numbers_of_thousands_of_digits_do_no_harm(text: str) -> None:
    assert heard_in(text.format("9" * 5000)).named == ()


def test_who_waited_itself_is_not_missing() -> None:
    two = heard_in("wait timeout after 6000ms, keys: /default_pg/0//cpu//0/2")
    three = heard_in("wait timeout after 6000ms, keys: /default_pg/0//cpu//0/3")
    found = absent_from({0: two, 1: three, 2: three}, range(4))
    assert found is not None
    assert found.ranks == (3,)
    # as if nearly all were missing: then it is the one who says so that was alone
    assert (
        absent_from({0: heard_in("Ranks 1, 2, 3 failed to pass monitoredBarrier")}, range(4))
        is None
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step 12 loss 0.3",
        "the collective was fine",
        "wait timeout after 300000ms, keys: /default_pg/0//cuda//0",
        "[rank0]: RuntimeError: Timed out waiting 6000ms for recv operation to complete",
        "WorkNCCL(SeqNum=x, OpType=",
    ],
)
def test_other_words_say_nothing(text: str) -> None:
    assert heard_in(text) == Testimony()
    assert absent_from({0: heard_in(text)}, range(4)) is None
