"""What nodes did over a run: `nodes/<node>/load.jsonl`, kept by the supervisor.

Made of the agents' words as the supervisor reads them, so it needs nothing of an agent and nothing
carried. A sample stands for about ten seconds: of how busy something was it has the mean, of memory
the most. A file that has grown large is thinned: of what is old, two samples become one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import append_lines, read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunNode

EVERY = 10.0
"""Seconds between two samples."""
LARGEST = 512 * 1024
"""Bytes above which a file is thinned."""
_KEPT = 4
"""The newest of so many parts of a file stays as it is when it is thinned."""
_LARGEST_READ = 8 << 20


class GpuSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One GPU of a sample; written as a list of its fields."""

    index: int
    util: float | None = None
    """Percent of the time that something computed on it, on average."""
    mem_used: int | None = None
    """Bytes, the most."""
    mem_total: int | None = None


class RankSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One living rank of a sample; written as a list of its fields."""

    rank: int
    cpu_percent: float | None = None
    """Of one core, on average."""
    rss_bytes: int | None = None
    """The most."""
    gpu: int | None = None
    """The index of its GPU."""


class LoadSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of `load.jsonl`: what a node did since the line before."""

    t: float
    """When it was measured last, by the supervisor's clock."""
    attempt: int = 0
    cpu_percent: float | None = None
    """Of all cores, on average."""
    mem_used: int | None = None
    """Bytes, the most."""
    mem_total: int | None = None
    gpus: tuple[GpuSample, ...] = ()
    ranks: tuple[RankSample, ...] = ()

    @property
    def mem_percent(self) -> float | None:
        """How much of the memory was in use."""
        if not self.mem_total or self.mem_used is None:
            return None
        return 100.0 * self.mem_used / self.mem_total


_DECODER = msgspec.json.Decoder(LoadSample)


def sample_of(word: NodeState, ahead: float = 0.0) -> LoadSample | None:
    """What an agent says of its node's load; None: nothing yet.

    Args:
        word: What it says.
        ahead: Seconds by which its clock is ahead of ours.
    """
    load = word.load
    if load is None:
        return None
    return LoadSample(
        t=load.time - ahead,
        attempt=word.attempt,
        cpu_percent=load.cpu_percent,
        mem_used=load.mem_used,
        mem_total=load.mem_total,
        gpus=tuple(
            GpuSample(device.index, device.util, device.mem_used, device.mem_total)
            for device in (load.gpus.devices if load.gpus is not None else ())
        ),
        ranks=tuple(
            RankSample(record.rank, record.cpu_percent, record.rss_bytes, record.gpu)
            for record in word.ranks
            if record.pid is not None and not record.state.final
        ),
    )


def together(samples: Sequence[LoadSample]) -> LoadSample:
    """Samples of one attempt, oldest first and at least one, as a single one."""
    gpus: dict[int, list[GpuSample]] = {}
    ranks: dict[int, list[RankSample]] = {}
    for sample in samples:
        for gpu in sample.gpus:
            gpus.setdefault(gpu.index, []).append(gpu)
        for rank in sample.ranks:
            ranks.setdefault(rank.rank, []).append(rank)
    last = samples[-1]
    return LoadSample(
        t=last.t,
        attempt=last.attempt,
        cpu_percent=_mean([sample.cpu_percent for sample in samples]),
        mem_used=_most([sample.mem_used for sample in samples]),
        mem_total=_most([sample.mem_total for sample in samples]),
        gpus=tuple(
            GpuSample(
                index,
                _mean([gpu.util for gpu in several]),
                _most([gpu.mem_used for gpu in several]),
                _most([gpu.mem_total for gpu in several]),
            )
            for index, several in gpus.items()
        ),
        ranks=tuple(
            RankSample(
                number,
                _mean([rank.cpu_percent for rank in several]),
                _most([rank.rss_bytes for rank in several]),
                next((rank.gpu for rank in reversed(several) if rank.gpu is not None), None),
            )
            for number, several in ranks.items()
        ),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 1) if known else None


def _most(values: Sequence[int | None]) -> int | None:
    return max([value for value in values if value is not None], default=None)


def thinned(samples: Sequence[LoadSample]) -> list[LoadSample]:
    """About five eighths of the samples: of all but the newest quarter, two become one."""
    edge = len(samples) - len(samples) // _KEPT
    kept: list[LoadSample] = []
    single: LoadSample | None = None
    for sample in samples[:edge]:
        if single is None or single.attempt != sample.attempt:
            kept += [single] if single is not None else []
            single = sample
        else:
            kept.append(together((single, sample)))
            single = None
    kept += [single] if single is not None else []
    return [*kept, *samples[edge:]]


def read_loads(path: Path, last: int | None = None) -> list[LoadSample]:
    """The samples of a file, oldest first; none where it is missing; a torn line is left out.

    Args:
        path: The file.
        last: Bytes of its end that are enough; None: all of it.

    Raises:
        OSError: It is there and cannot be read.
    """
    data = read_regular(path, _LARGEST_READ) or b""
    if last is not None and len(data) > last:
        data = data[-last:].partition(b"\n")[2]
    samples = []
    for line in data.splitlines():
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            samples.append(_DECODER.decode(line))
    return samples


class LoadKeeper:
    """Writes the histories of a run's nodes; one for each supervisor."""

    def __init__(self, run: RunDir) -> None:
        """Prepare; nothing is written before there is something to say."""
        self._run = run
        self._open: dict[str, list[LoadSample]] = {}
        """What was measured since the last sample, by node."""
        self._measured: dict[str, float] = {}
        self._may_thin = True

    def take(self, said: Mapping[str, NodeState], nodes: Iterable[RunNode]) -> None:
        """Take in what agents say now, by node name; what is known already costs nothing."""
        # files of one run grow large together: thinning hundreds at once would hold it up
        self._may_thin = True
        for node in nodes:
            word = said.get(node.name)
            if word is None or word.load is None:
                continue
            if self._measured.get(node.name) == word.load.time:
                continue
            self._measured[node.name] = word.load.time
            sample = sample_of(word, node.clock_ahead)
            if sample is not None:
                self._add(node.name, sample)

    def flush(self) -> None:
        """Write down what is known: an attempt has ended."""
        for name in tuple(self._open):
            self._close(name)

    def _add(self, node: str, sample: LoadSample) -> None:
        known = self._open.get(node)
        if known is not None and known[0].attempt != sample.attempt:
            self._close(node)
            known = None
        if known is None:
            self._open[node] = [sample]
            return
        known.append(sample)
        # a clock that was set back must not keep a sample open for ever
        if abs(sample.t - known[0].t) >= EVERY:
            self._close(node)

    def _close(self, node: str) -> None:
        sample = together(self._open.pop(node))
        path = self._run.node(node).load
        # a run can do without its history, not without its supervisor
        with suppress(OSError):
            append_lines(path, msgspec.json.encode(sample) + b"\n")
            if self._may_thin and os.stat(path).st_size > LARGEST:
                self._may_thin = False
                kept = thinned(read_loads(path))
                write_atomic(path, b"".join(msgspec.json.encode(one) + b"\n" for one in kept))
