"""The sentences of a hang: what was seen, what is only likely, what to do next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.diagnose.hang import BUSY, IDLE, Basis, Hang, HangRank, HangState
from rankdeck.text import age, clock, figure, ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.diagnose.hang import Finding
    from rankdeck.diagnose.sight import Scene, Sight

_MOST_SUSPECTS = 64
_NAMED = 3
_ENOUGH_NODES = 3
"""With fewer nodes none stands out."""
_APART = 40.0
"""Percent points by which a node's processors must differ from those of all others."""
SCARCE = 90.0
"""Percent of a node's memory from which it is scarce."""
_SOON = 120.0
"""Seconds below which a time is told exactly."""


def told_hang(scene: Scene, finding: Finding) -> Hang:
    """The finding, with its sentences."""
    certainty = "unknown"
    if finding.suspects:
        certainty = "certain" if finding.basis is Basis.RENDEZVOUS else "likely"
    return Hang(
        state=finding.state,
        moment=scene.moment,
        since=finding.since,
        usual=finding.usual,
        allowed=finding.allowed,
        basis=finding.basis,
        suspects=tuple(
            HangRank(
                rank=sight.rank,
                node=sight.node,
                since=sight.spoke,
                step=sight.step,
                cpu_percent=sight.cpu_percent,
                gpu_percent=sight.gpu_percent,
            )
            for sight in finding.suspects[:_MOST_SUSPECTS]
        ),
        suspect_count=len(finding.suspects),
        certainty=certainty,
        summary=_summary(scene, finding),
        facts=facts_of(scene, finding),
        hints=_hints(scene, finding),
    )


def who(sights: Sequence[Sight]) -> str:
    """`rank 13 on node04`, `ranks 3, 17-19 on node01 and node02`."""
    nodes = list(dict.fromkeys(sight.node for sight in sights))
    where = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
    if 1 < len(nodes) <= _NAMED:
        where = f"{', '.join(nodes[:-1])} and {nodes[-1]}"
    word = "rank" if len(sights) == 1 else "ranks"
    return f"{word} {ranges(sight.rank for sight in sights)} on {where}"


def lapse(seconds: float) -> str:
    """A time that has passed: `0.4 s`, `41 s`, `8m`."""
    if seconds < 10:
        return f"{figure(round(seconds, 1))} s"
    return f"{seconds:.0f} s" if seconds < _SOON else age(seconds)


def _summary(scene: Scene, finding: Finding) -> str:
    since = finding.since if finding.since is not None else scene.moment
    passed = lapse(scene.moment - since)
    several = len(finding.suspects) > 1
    has = "had" if scene.over else "have" if several else "has"
    if finding.basis is Basis.RENDEZVOUS:
        count = len(finding.others)
        waited = "had" if scene.over else "has" if count == 1 else "have"
        ranks = f"{count} rank{'s' if count != 1 else ''}"
        return (
            f"{who(finding.suspects)} {has} not joined; {ranks} {waited} waited for "
            f"{'them' if several else 'it'} for {passed}"
        )
    if finding.state is HangState.LAGGING:
        ahead = [sight.step for sight in finding.others if sight.step is not None]
        return (
            f"{who(finding.suspects)} {has} said nothing for {passed}, at step "
            f"{finding.suspects[0].step}; the others {'went' if scene.over else 'go'} on, at step "
            f"{max(ahead)}"
        )
    usually = f", usually one every {lapse(finding.usual)}" if finding.usual is not None else ""
    had = "had" if scene.over else "has"
    what = f"no step {had} been made" if finding.stepless else f"nothing {had} been printed"
    usually = usually if finding.stepless else usually.replace("one", "something")
    told = f"{what} for {passed}{usually}"
    if finding.state is HangState.QUIET:
        told += "; too little had been printed before to know whether that is usual"
    elif finding.stepless:
        told += "; lines still come"
    return f"{told}{_culprit(scene, finding)}"


def _culprit(scene: Scene, finding: Finding) -> str:
    suspects = finding.suspects
    if not suspects:
        return ""
    be = "was" if scene.over else "is"
    if len(suspects) > 1:
        be = "were" if scene.over else "are"
    if finding.basis is Basis.STEP:
        return f"; {who(suspects)} {be} behind, at step {suspects[0].step}"
    if finding.basis is Basis.LAST_LINE:
        return f"; {who(suspects)} fell silent first"
    by_gpu = finding.basis is Basis.GPU_LOAD
    load = suspects[0].gpu_percent if by_gpu else suspects[0].cpu_percent
    busy = load is not None and load >= BUSY
    where = " on the GPU" if by_gpu else ""
    return f"; {who(suspects)} alone {be} {'busy' if busy else 'idle'}{where}"


def facts_of(scene: Scene, finding: Finding) -> tuple[str, ...]:
    """What was seen of the suspects and of the others, a sentence each."""
    suspects, others = finding.suspects, finding.others
    facts = [_last_line(sight, others, scene) for sight in suspects[:_NAMED]]
    if len(suspects) > _NAMED:
        facts.append(f"the same of {len(suspects) - _NAMED} more ranks")
    be = "was" if scene.over else "is"
    if finding.basis is Basis.RENDEZVOUS:
        facts.append(f"joined: ranks {ranges(sight.rank for sight in others)}")
        return tuple(facts)
    steps = sorted({sight.step for sight in others if sight.step is not None})
    if steps and suspects and suspects[0].step not in (None, *steps):
        word = f"rank {suspects[0].rank} {be}" if len(suspects) == 1 else "they are"
        facts.append(f"{word} at step {suspects[0].step}, the others at {_span(steps)}")
    facts += _loads(scene, suspects, others)
    facts += _odd_nodes(scene)
    spoken = sorted(sight.spoke for sight in others if sight.spoke is not None)
    if spoken and finding.state is not HangState.LAGGING:
        facts.append(_silent_others(scene, spoken, others, bool(suspects)))
    if not suspects:
        facts.append("nothing that was printed or measured tells which rank holds the others up")
    return tuple(facts)


def _last_line(sight: Sight, others: Sequence[Sight], scene: Scene) -> str:
    name = f"rank {sight.rank} on {sight.node}"
    if sight.spoke is None:
        since = f" since its start at {clock(sight.spawned)}" if sight.spawned else ""
        started = sight.spawned is not None
        return f"{name} has printed nothing{since}" if started else f"{name} has not been started"
    told = f"{name} printed its last line at {clock(sight.spoke)}"
    after = [other.spoke - sight.spoke for other in others if other.spoke is not None]
    if after and min(after) > 0:
        return f"{told}, {lapse(min(after))} before all others"
    return (
        f"{told}, {lapse(scene.moment - sight.spoke)} before {scene.then if scene.over else 'now'}"
    )


def _span(numbers: Sequence[int]) -> str:
    low, high = numbers[0], numbers[-1]
    return f"{low}" if low == high else f"{low} to {high}"


def _loads(scene: Scene, suspects: Sequence[Sight], others: Sequence[Sight]) -> list[str]:
    told = (
        _load(
            scene,
            [sight.gpu_percent for sight in suspects],
            [sight.gpu_percent for sight in others],
            suspects,
            "of their GPUs' time",
        ),
        _load(
            scene,
            [sight.cpu_percent for sight in suspects],
            [sight.cpu_percent for sight in others],
            suspects,
            "of a core",
        ),
    )
    return [one for one in told if one]


def _load(
    scene: Scene,
    suspects: Sequence[float | None],
    others: Sequence[float | None],
    sights: Sequence[Sight],
    of_what: str,
) -> str:
    mine = [percent for percent in suspects if percent is not None]
    theirs = [percent for percent in others if percent is not None]
    if not theirs:
        return ""
    over = scene.over
    them = f"{_span([round(min(theirs)), round(max(theirs))])} % {of_what}"
    doing = ""
    if min(theirs) >= BUSY:
        doing = "they computed, or waited busily" if over else "they compute, or wait busily"
    elif max(theirs) < IDLE:
        doing = "they slept, or waited" if over else "they sleep, or wait"
        doing += " for something"
    ending = f": {doing}" if doing else ""
    if not mine:
        return f"the ranks {'used' if over else 'use'} {them}{ending}"
    one = f"rank {sights[0].rank} {'used' if over else 'uses'}"
    word = one if len(mine) == 1 else f"they {'used' if over else 'use'} up to"
    return f"{word} {max(mine):.0f} %, the others {them}{ending}"


def _odd_nodes(scene: Scene) -> list[str]:
    """Nodes whose memory is scarce, and one whose processors do what no others do."""
    is_, are = ("was", "were") if scene.over else ("is", "are")
    full = [
        (node.mem_percent, node.name)
        for node in scene.nodes
        if node.mem_percent is not None and node.mem_percent >= SCARCE
    ]
    facts = [
        f"memory of {name} {is_} at {percent:.0f} %"
        for percent, name in sorted(full, reverse=True)[:_NAMED]
    ]
    known = sorted(
        (node.cpu_percent, node.name) for node in scene.nodes if node.cpu_percent is not None
    )
    if len(known) < _ENOUGH_NODES:
        return facts
    for odd, others in ((known[0], known[1:]), (known[-1], known[:-1])):
        apart = min(abs(odd[0] - percent) for percent, _ in others)
        if apart >= _APART:
            span = _span([round(others[0][0]), round(others[-1][0])])
            facts.append(
                f"the processors of {odd[1]} {are} {odd[0]:.0f} % busy, those of the other nodes "
                f"{span} %"
            )
    return facts


def _silent_others(
    scene: Scene, spoken: Sequence[float], others: Sequence[Sight], suspected: bool
) -> str:
    subject = f"the other {len(others)} ranks" if suspected else f"all {len(others)} ranks"
    if len(others) == 1:
        subject = f"rank {others[0].rank}"
    first, last = clock(spoken[0]), clock(spoken[-1])
    when = f"at {last}" if first == last else f"between {first} and {last}"
    waited = "waited" if scene.over else "wait"
    likely = f"; most likely they {waited} for it" if suspected else ""
    return f"{subject} fell silent {when}{likely}"


def _hints(scene: Scene, finding: Finding) -> tuple[str, ...]:
    run = scene.run_id
    suspects = finding.suspects[:_NAMED]
    chosen = ",".join(str(sight.rank) for sight in suspects)
    of_them = f" --rank {chosen}" if chosen else " --merge"
    hints = [f"`rankdeck logs {run}{of_them} -n 50` shows what came last"]
    if scene.over:
        if not suspects:
            hints.append("when it hangs again, `rankdeck stacks` shows where every rank is")
        return tuple(hints)
    where = f"`rankdeck stacks {run}` shows where every rank is in its program"
    if not suspects:
        where += ": one that is elsewhere than the others may be the one they wait for"
    hints.insert(0, where)
    if suspects:
        one = suspects[0]
        hints.append(
            f"`rankdeck signal {run} INT --rank {one.rank}` ends it with a traceback of where it is"
        )
        if one.pid is not None:
            hints.append(
                f"on {one.node} (`!` in the deck) `py-spy dump --native --pid {one.pid}` shows "
                "native calls as well"
            )
    hints.append(f"`rankdeck stop {run}` gives up")
    return tuple(hints)
