"""What ranks say of a collective that timed out, and who did not come to it. Pure.

Read are the lines that torch itself prints, in the forms of its versions 1.13 to 2.13:

* its NCCL watchdog: which work timed out, which was enqueued and which completed last, of which
  process group; the ranks whose watchdog did not time out say the last two as well;
* the desync report (`TORCH_NCCL_DESYNC_DEBUG=1`) and `monitored_barrier`, which name ranks;
* the store of gloo's rendezvous, where the awaited key ends with a rank.

Numbers of works count per process group, so they are compared within one group only.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_WORK = re.compile(
    r"Watchdog caught collective operation timeout: WorkNCCL\("
    r"(?:SeqNum=(\d{1,18}), )?OpType=(\w+)(?:, NumelIn=(\d{1,18}))?"
)
_STATUS = re.compile(
    r"\[PG (?:ID )?(\d+)(?: PG GUID ([^\s(\]]+))? ?(?:\(([^)]*)\))? Rank \d+\](.*?)"
    r"last enqueued(?: NCCL)? work: (-?\d{1,18})(?:, last started(?: NCCL)? work: -?\d+)?"
    r", last completed(?: NCCL)? work: -?\d+",
    re.IGNORECASE,
)
_AT_WORK = re.compile(r"(?:at (?:NCCL )?work(?: sequence id)?): (\d{1,18})\b", re.IGNORECASE)
_RANKS = r"([\d, ]+)"
_NAMED = (
    (re.compile(rf"\bRanks? {_RANKS} failed to pass monitoredBarrier"), "monitored_barrier"),
    (re.compile(rf"\[{_RANKS}\] finished collective #\d+, but didn't join"), "the desync report"),
    (re.compile(rf"ranks \[{_RANKS}\] are the lagging ranks"), "the desync report"),
    (re.compile(r"wait timeout after \d+ ?ms, keys: \S*default_pg\S*//cpu//\d+/(\d+)"), "gloo"),
)
_HINT = re.compile(r"WorkNCCL|NCCL work|enqueued work|monitoredBarrier|collective|wait timeout")


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank says of one process group's works."""

    group: str
    """What tells the group from others over all ranks; empty where the text does not say."""
    name: str = ""
    """`default_pg`, `TENSOR_MODEL_PARALLEL_GROUP`; empty where the text does not say."""
    seq: int | None = None
    """The work that timed out here; None: it did not time out here."""
    op: str = ""
    """`ALLREDUCE`."""
    numel: int | None = None
    enqueued: int | None = None

    @property
    def of_all(self) -> bool:
        """Whether every rank is in this group."""
        return self.name == "default_pg" or (not self.name and self.group in ("", "0"))


class Testimony(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank says of collectives."""

    works: tuple[Work, ...] = ()
    named: tuple[int, ...] = ()
    """Ranks that it says did not come."""
    by: str = ""
    """Who says so: `monitored_barrier`."""

    def __bool__(self) -> bool:
        return bool(self.works or self.named)


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """Who did not come to a collective, as far as ranks have said."""

    ranks: tuple[int, ...]
    certain: bool
    how: str
    """What shows it, as the end of a sentence that begins with the ranks."""


def heard_in(text: str) -> Testimony:
    """What the last words of a rank say of collectives; false if nothing."""
    if not _HINT.search(text):
        return Testimony()
    works: dict[str, Work] = {}
    pending: Work | None = None
    for line in text.splitlines():
        if found := _WORK.search(line):
            pending = Work(
                group="",
                seq=int(found[1]) if found[1] else None,
                op=found[2],
                numel=int(found[3]) if found[3] else None,
            )
        if found := _STATUS.search(line):
            work = _with_status(found, pending)
            if work.seq is not None:
                pending = None
            # the first word on a group is about what began it
            works.setdefault(work.group, work)
    if pending is not None and pending.seq is not None:
        works.setdefault("", pending)
    for pattern, by in _NAMED:
        named = {int(rank) for found in pattern.finditer(text) for rank in _numbers(found[1])}
        if named:
            return Testimony(works=tuple(works.values()), named=tuple(sorted(named)), by=by)
    return Testimony(works=tuple(works.values()))


def _with_status(found: re.Match[str], pending: Work | None) -> Work:
    at = _AT_WORK.search(found[4])
    timed_out = int(at[1]) if at else None
    mine = pending if pending is not None and pending.seq in (None, timed_out) else None
    return Work(
        group=found[2] or found[1],
        name=found[3] or "",
        seq=timed_out,
        op=mine.op if mine and timed_out is not None else "",
        numel=mine.numel if mine and timed_out is not None else None,
        enqueued=int(found[5]),
    )


def _numbers(text: str) -> list[str]:
    return re.findall(r"\b\d{1,9}\b", text)


def absent_from(told: Mapping[int, Testimony], ranks: Collection[int]) -> Absent | None:
    """Who did not come to the collective that timed out; None: that is not in what they say.

    Args:
        told: What each rank says; those that say nothing may be left out.
        ranks: All ranks that could have come.
    """
    named = {rank for one in told.values() for rank in one.named if rank in ranks}
    # who says itself that it waited in vain was there
    named -= {rank for rank in named if rank in told and told[rank].named}
    if named and 2 * len(named) <= len(ranks):
        by = next(one.by for one in told.values() if one.named)
        how = f"did not come to the collective that the others waited for, as {by} says"
        return Absent(ranks=tuple(sorted(named)), certain=True, how=how)
    groups = Counter(
        work.group for one in told.values() for work in one.works if work.seq is not None
    )
    waiting = {rank for rank, one in told.items() if any(w.seq is not None for w in one.works)}
    second: Absent | None = None
    for group, _ in groups.most_common():
        found = _absent_in_group(_members(told, group), ranks)
        if found is not None and not waiting & set(found.ranks):
            return found
        if found is not None and second is None:
            # it waits in another group itself: held up, perhaps, by somebody else there
            second = msgspec.structs.replace(found, certain=False)
    return second


def _members(told: Mapping[int, Testimony], group: str) -> dict[int, Work]:
    found = {}
    for rank, one in told.items():
        work = next((work for work in one.works if work.group == group), None)
        if work is not None:
            found[rank] = work
    return found


def _absent_in_group(members: Mapping[int, Work], ranks: Collection[int]) -> Absent | None:
    waiting = {rank: work for rank, work in members.items() if work.seq is not None}
    seq = max(work.seq for work in waiting.values() if work.seq is not None)
    ops = Counter(work.op for work in waiting.values() if work.seq == seq and work.op)
    what = f"{ops.most_common(1)[0][0] if ops else 'collective'} {seq}"
    where = next((f" of {work.name}" for work in members.values() if work.name), "")
    behind = {
        rank: work
        for rank, work in members.items()
        if work.enqueued is not None and work.enqueued < seq
    }
    if behind and len(behind) < len(members):
        last = max(work.enqueued or 0 for work in behind.values())
        how = (
            f"never began {what}{where}, which the others waited for: the last it began was {last}"
        )
        return Absent(ranks=tuple(sorted(behind)), certain=True, how=how)
    odd = _odd_ones(waiting, seq)
    if odd:
        how = f"called something else as work {seq}{where} than the others ({what.split()[0]})"
        return Absent(ranks=odd, certain=True, how=how)
    unheard = tuple(sorted(set(ranks) - set(members)))
    of_all = all(work.of_all for work in waiting.values())
    if unheard and of_all and 2 * len(unheard) <= len(ranks):
        how = f"did not report {what}{where}, which the others waited for"
        return Absent(ranks=unheard, certain=False, how=how)
    return None


def _odd_ones(waiting: Mapping[int, Work], seq: int) -> tuple[int, ...]:
    """The few that called another operation, or one of another size, where most agree."""
    calls = {rank: (work.op, work.numel) for rank, work in waiting.items() if work.seq == seq}
    common = Counter(calls.values()).most_common()
    if len(common) < 2 or common[0][1] == common[1][1] or not common[0][0][0]:
        return ()
    return tuple(sorted(rank for rank, call in calls.items() if call != common[0][0]))
