"""A state and a configuration in which every text that others may have written is hostile.

Run as a program (`python hostile_home.py HOME RUN [leak]`) it is the interface on such a home; with
`leak` nothing is made safe, which is what the test must notice.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_home(root: Path, texts: Sequence[str], raw: bytes) -> str:
    """Write the home below `root`; the id of its run.

    Args:
        root: `state`, `config` and `project` are made in it.
        texts: Names, reasons, messages; any number.
        raw: What the ranks have printed.
    """
    from rankdeck.command_log import Executed
    from rankdeck.nodes.notes import NodeNotes
    from rankdeck.run.state import Failure, RunPhase
    from tests.tui.fake_run import write_run

    home, config = root / "state", root / "config"
    word = [texts[i % len(texts)] for i in range(16)]
    everything = " ".join(texts)
    failure = Failure(
        rank=0,
        node=word[1],
        category=word[2],
        summary=word[3] + everything,
        hint=word[4],
        evidence=(*texts, everything),
        collateral_ranks=(1, 2, 3),
    )
    run_id = write_run(
        home,
        "evil",
        RunPhase.FAILED,
        shown=word[5],
        text=word[6],
        reason=word[7],
        failure=failure,
        node=f"node {word[8].replace('/', '_')}".replace("\0", ""),
    )
    for index in range(1, 4):
        write_run(home, f"other{index}", RunPhase.SUCCEEDED, shown=word[index], age=60.0 + index)
    run = home / "runs" / run_id
    for log in run.glob("nodes/*/attempt-0/rank-*.log"):
        log.write_bytes(raw + b"\nstep 7 loss 0.5\nstep 8 loss 0.4\n")
    for path in (home / "commands.jsonl", run / "commands.jsonl"):
        lines = [
            msgspec.json.encode(Executed(t=1.0 + i, argv=("ssh", text), why=text, host=text))
            for i, text in enumerate(texts)
        ]
        path.write_bytes(b"\n".join(lines) + b"\n")
    NodeNotes(home).write("node1", everything[:400], avoid=True)
    project = root / "project"
    project.mkdir()
    (project / "train.py").write_text("print(1)\n")
    entries = [
        {"name": f"p{i}", "types": "string", "defaultValue": text, "description": text}
        for i, text in enumerate(texts)
    ]
    (project / "HyperParameters.json").write_text(json.dumps({"HyperParameters": entries}))
    for folder in ("templates", "workspaces"):
        (config / folder).mkdir(parents=True)
        plain = " ".join(text for text in texts if text.isprintable())
        (config / folder / "mine.yaml").write_text(f"# {plain}\nentry: train.py\n")
        (config / folder / "broken.yaml").write_bytes(raw)
    return run_id


def _show(home: str, run: str, *, leak: bool) -> None:
    from tui.environment import prepare_environment

    prepare_environment(os.environ)
    if leak:
        import rankdeck.logs.sanitise
        import rankdeck.logs.style

        rankdeck.logs.sanitise.clean = lambda text: (
            text.decode(errors="replace") if isinstance(text, bytes) else text
        )
    from rankdeck.run.store import RunStore
    from tui.deck import Deck

    Deck(RunStore(Path(home)), run or None, clock=lambda: 1_795_257_912.0).run()


if __name__ == "__main__":
    _show(sys.argv[1], sys.argv[2], leak="leak" in sys.argv)
