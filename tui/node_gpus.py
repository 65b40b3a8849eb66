"""A node's GPUs as text: a glyph for each, and the details of the node. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.gpus import answers, faults_of, memory_part, summarise
from rankdeck.text import age, ranges, shown, size
from tui.looks import Line, Piece, bar, safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.run.node_state import GpuDevice, GpuLoad, NodeLoad
    from rankdeck.run.view import NodeView, RankView

BARS = "▁▂▃▄▅▆▇█"
"""From idle to busy, in eighths."""
UNKNOWN, SILENT, BROKEN = "·", "?", "✖"
_BAR = 10
_IDLE = 3.0
_LONGEST = 40


def bar_of(percent: float) -> int:
    """The index of the block in BARS that stands for so much."""
    return 0 if percent < _IDLE else min(7, 1 + int(percent / 12.5))


def gpu_glyphs(load: GpuLoad | None) -> str:
    """One glyph for each GPU; without figures `?` where they have stopped, `·` where none are."""
    if load is None:
        return ""
    return "".join(map(gpu_glyph, load.devices))


def gpu_glyph(device: GpuDevice) -> str:
    """How busy one GPU is."""
    if device.error:
        return BROKEN
    if device.util is not None:
        return BARS[bar_of(device.util)]
    return UNKNOWN if answers(device) else SILENT


def gpu_piece(device: GpuDevice) -> Piece:
    """One GPU in a few words: `gpu 3 97%`."""
    if device.error:
        return (f"gpu {device.index} {shown(device.error, _LONGEST)}", "error")
    if device.util is not None:
        return (f"gpu {device.index} {device.util:.0f}%", "")
    return (f"gpu {device.index} {gpu_glyph(device)}", "dim" if answers(device) else "warning")


def node_lines(node: NodeView, ranks: Sequence[RankView], now: float, *, ended: bool) -> list[Line]:
    """Everything that is known of a node of a run.

    Args:
        node: The node.
        ranks: Its ranks.
        now: Seconds since the epoch.
        ended: The run has ended: what was measured means nothing any more.
    """
    heard = "not yet" if node.heartbeat is None else f"{age(now - node.heartbeat)} ago"
    lines: list[Line] = [
        ((safe(node.name), "bold"), (f"  {safe(node.state)}", ""), (f"  heard {heard}", "dim")),
        _line("address", safe(node.address) or "–"),
    ]
    if ranks:
        lines.append(_line("ranks", ranges(rank.rank for rank in ranks)))
    lines.append(_line("disk", f"{size(node.disk_free)} free"))
    if node.problem is not None:
        lines += [(), ((safe(node.problem.message), "error"),)]
        lines += [(("try: ", "key"), (safe(node.problem.hint), ""))] if node.problem.hint else []
    if node.load is None or ended:
        why = "The run has ended." if ended else "It has not told its load yet."
        return [*lines, (), ((why, "dim"),)]
    return [*lines, *_host_lines(node.load), (), *_gpu_lines(node.load.gpus, ranks, now)]


def _line(name: str, text: str, style: str = "") -> Line:
    return ((f"{name:<9}", "dim"), (text, style))


def _host_lines(load: NodeLoad) -> list[Line]:
    lines = []
    if load.cpu_percent is not None:
        cores = f"{load.cpus} core{'s' if load.cpus > 1 else ''}"
        load1 = "" if load.load1 is None else f", load {load.load1:.1f}"
        told = f"{bar(load.cpu_percent / 100, _BAR)} {load.cpu_percent:3.0f}%  of {cores}{load1}"
        lines.append(_line("CPU", told))
    if load.mem_total and load.mem_used is not None:
        part = load.mem_used / load.mem_total
        told = f"{bar(part, _BAR)} {100 * part:3.0f}%  {size(load.mem_used)} of "
        lines.append(_line("memory", f"{told}{size(load.mem_total)}"))
    return lines


def _gpu_lines(load: GpuLoad | None, ranks: Sequence[RankView], now: float) -> list[Line]:
    if load is None:
        return [(("No GPUs are known there.", "dim"),)]
    owners: dict[int, list[int]] = {}
    for rank in ranks:
        if rank.gpu is not None:
            owners.setdefault(rank.gpu.index, []).append(rank.rank)
    count = f"{len(load.devices)} × " if load.devices else ""
    lines: list[Line] = [
        _line("GPUs", f"{count}{safe(load.model) or 'unknown'}  ({safe(load.source)})")
    ]
    if load.problem:
        since = "" if load.heard is None else f" (last figures {age(now - load.heard)} ago)"
        told = f"{safe(load.problem)}{since if load.silent else ''}"
        lines.append(((f"  {SILENT if load.silent else '!'} {told}", "warning"),))
    if load.devices:
        lines.append(((f"{'':>5} {'BUSY':<15}  {'MEMORY':<30}{'°C':>4}{'W':>6}  RANK", "dim"),))
    for device in load.devices:
        lines += _device_lines(device, owners)
    return lines


def _device_lines(device: GpuDevice, owners: Mapping[int, Sequence[int]]) -> list[Line]:
    unknown = "–" if answers(device) or device.error else SILENT
    busy: Piece = (f"{unknown:<15}", "dim")
    if device.util is not None:
        busy = (f"{bar(device.util / 100, _BAR)} {device.util:3.0f}%", "")
    part = memory_part(device)
    memory = f"{unknown} of {size(device.mem_total)}" if device.mem_total else unknown
    if part is not None and device.mem_used is not None:
        memory = f"{bar(part, _BAR)} {size(device.mem_used)}/{size(device.mem_total)}"
    temp = unknown if device.temp is None else f"{device.temp:.0f}"
    power = unknown if device.power is None else f"{device.power:.0f}"
    owner = ranges(owners.get(device.index, ()))
    line: Line = (
        (f"{device.index:>5} ", "bold"),
        busy,
        (f"  {memory:<30}{temp:>4}{power:>6}  {owner}", ""),
    )
    faults = [
        (f"      {BROKEN if fault.grave else '!'} {safe(fault.text)}", fault.grave)
        for fault in faults_of(device)
    ]
    return [line, *(((text, "error" if grave else "warning"),) for text, grave in faults)]


def gpu_cells(load: GpuLoad | None) -> dict[str, Piece]:
    """The columns of the table of nodes that are about GPUs."""
    empty = ("–", "dim")
    if load is None:
        return dict.fromkeys(("gpu", "low", "gpus", "vram", "hot"), empty)
    if load.silent:
        told = (SILENT, "warning")
        cells = dict.fromkeys(("gpu", "low", "vram", "hot"), told)
        return {**cells, "gpus": (gpu_glyphs(load) or SILENT, "warning")}
    summary = summarise(load)
    cells = dict.fromkeys(("gpu", "low", "vram", "hot"), empty)
    if summary.mean is not None:
        cells["gpu"] = (f"{summary.mean:.0f}%", "")
    if summary.least is not None and summary.least.util is not None:
        cells["low"] = (f"{summary.least.util:.0f}%", "")
    if summary.fullest is not None and (part := memory_part(summary.fullest)) is not None:
        cells["vram"] = (f"{100 * part:.0f}%", "")
    if summary.hottest is not None and summary.hottest.temp is not None:
        slowed = any(device.throttle == "thermal" for device in load.devices)
        cells["hot"] = (f"{summary.hottest.temp:.0f}°", "warning" if slowed else "")
    grave = any(fault.grave for fault in summary.faults)
    return {**cells, "gpus": (gpu_glyphs(load), "error" if grave else "")}
