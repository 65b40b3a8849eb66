"""Where everything of a run lies on disk. Pure paths; nothing here touches the file system."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


def rankdeck_home(environ: dict[str, str] | None = None) -> Path:
    """`$RANKDECK_HOME`, else `$XDG_STATE_HOME/rankdeck`, else `~/.local/state/rankdeck`."""
    env = os.environ if environ is None else environ
    if home := env.get("RANKDECK_HOME"):
        return Path(home).expanduser().absolute()
    state = env.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "rankdeck"


class RunDir(msgspec.Struct, frozen=True):
    """The paths of one run directory (`$RANKDECK_HOME/runs/<id>`)."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id: the directory's name."""
        return self.path.name

    @property
    def job(self) -> Path:
        """The job as described, written once."""
        return self.path / "job.yaml"

    @property
    def plan(self) -> Path:
        """The plan as executed; written again when a scheduler has chosen its nodes."""
        return self.path / "plan.json"

    @property
    def commands(self) -> Path:
        """The plan as scripts a person can read and run (secrets redacted)."""
        return self.path / "commands"

    @property
    def code(self) -> Path:
        """What the project's code was at launch."""
        return self.path / "code"

    @property
    def events(self) -> Path:
        """Append-only history; one writer, the supervisor."""
        return self.path / "events.jsonl"

    @property
    def state(self) -> Path:
        """Snapshot of the fold over the events."""
        return self.path / "state.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per progress step of rank 0."""
        return self.path / "metrics.jsonl"

    @property
    def control(self) -> Path:
        """Inbox: each file is a command, each becomes an event."""
        return self.path / "control"

    @property
    def bookmarks(self) -> Path:
        """Lines of its logs that were marked in the interface."""
        return self.path / "bookmarks.json"

    @property
    def supervisor_lock(self) -> Path:
        """Held (fcntl record lock) by the supervisor for as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor itself printed; empty when all is well."""
        return self.path / "supervisor.log"

    @property
    def launch_env(self) -> Path:
        """The submitting shell's environment (0600), removed when the run has ended."""
        return self.path / "launch-env.json"

    @property
    def nodes(self) -> Path:
        """Parent of the node directories."""
        return self.path / "nodes"

    def node(self, name: str) -> NodeDir:
        """The directory of one node."""
        return NodeDir(self.nodes / name)


class NodeDir(msgspec.Struct, frozen=True):
    """The paths of one node's directory, written by its agent."""

    path: Path

    @property
    def state(self) -> Path:
        """What the agent says: a NodeState."""
        return self.path / "state.json"

    @property
    def load(self) -> Path:
        """What the node did over the run; one writer, the supervisor."""
        return self.path / "load.jsonl"

    @property
    def agent_log(self) -> Path:
        """What the agent itself printed."""
        return self.path / "agent.log"

    @property
    def launcher_log(self) -> Path:
        """Output of the launcher process (torchrun, train.sh), stdout and stderr in order."""
        return self.path / "launcher.log"

    @property
    def control(self) -> Path:
        """The agent's inbox: `<sequence>-<command>.json`."""
        return self.path / "control"

    def attempt(self, number: int) -> AttemptDir:
        """The directory of one attempt on this node."""
        return AttemptDir(self.path / f"attempt-{number}")


class AttemptDir(msgspec.Struct, frozen=True):
    """The paths of one attempt on one node."""

    path: Path

    @property
    def order(self) -> Path:
        """What the agent was told to do: an AgentOrder."""
        return self.path / "order.json"

    @property
    def final_state(self) -> Path:
        """The agent's last NodeState of this attempt, kept when a later attempt begins."""
        return self.path / "state.json"

    def log(self, rank: int) -> Path:
        """Stdout and stderr of a rank, in order, bytes as written."""
        return self.path / f"rank-{rank}.log"

    def stacks(self, rank: int) -> Path:
        """Where a Python rank writes its stacks when it is asked for them."""
        return self.path / f"rank-{rank}.stacks"

    def times(self, rank: int) -> Path:
        """Sparse (time, offset) pairs: little-endian `<dQ`, 16 bytes each."""
        return self.path / f"rank-{rank}.times"

    def error(self, rank: int) -> Path:
        """The rank's uncaught exception (torchelastic's error-file format)."""
        return self.path / f"rank-{rank}.error.json"
