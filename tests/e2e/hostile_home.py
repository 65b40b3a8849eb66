"""A state and a configuration in which every text that others may have written is hostile.

Run as a program (`python hostile_home.py HOME RUN REST [leak]`) it is the interface on such a home;
the file REST says how many keys it has dealt with whenever it has come to rest. With `leak` nothing
is made safe, which is what the test must notice.
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


def _show(home: str, run: str, rest: str, *, leak: bool) -> None:
    from tui.environment import prepare_environment

    prepare_environment(os.environ)
    if leak:
        import rankdeck.logs.sanitise
        import rankdeck.logs.style

        rankdeck.logs.sanitise.clean = lambda text: (
            text.decode(errors="replace") if isinstance(text, bytes) else text
        )
    from importlib.resources import files

    from textual.events import Event, Key

    from rankdeck.run.store import RunStore
    from tests.tui.settled import has_to_do, threads_rest
    from tui.deck import Deck

    class Resting(Deck):
        """Says when it has dealt with everything."""

        CSS_PATH = str(files("tui") / Deck.CSS_PATH)
        keys, looks, told = 0, 0, -1

        def on_mount(self) -> None:
            self.set_interval(0.03, self._look)

        async def on_event(self, event: Event) -> None:
            typed = isinstance(event, Key) and not event.is_forwarded
            await super().on_event(event)
            if typed:
                self.keys, self.looks = self.keys + 1, 0

        def _look(self) -> None:
            self.looks = 0 if has_to_do(self) or not threads_rest() else self.looks + 1
            if self.looks >= 3 and self.told != self.keys:
                self.told = self.keys
                Path(rest).write_text(f"{self.told}\n")

    deck = Resting(RunStore(Path(home)), run or None, clock=lambda: 1_795_257_912.0)
    deck.run()
    if deck.crash is not None:
        raise deck.crash


if __name__ == "__main__":
    _show(*sys.argv[1:4], leak="leak" in sys.argv)
