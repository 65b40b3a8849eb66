"""Order: what this agent was told to do, read from `order.json` and typed from here on."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1


class OrderError(Exception):
    """The order cannot be read; says why in one sentence."""


class Order:
    """One node's part of one attempt; the fields of `rankdeck.agent_order.AgentOrder`."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.run_id: str = fields["run_id"]
        self.node: str = fields["node"]
        self.node_dir: str = fields["node_dir"]
        self.attempt: int = fields["attempt"]
        self.node_rank: int = fields["node_rank"]
        self.nnodes: int = fields["nnodes"]
        self.nproc: int = fields["nproc"]
        self.first_rank: int = fields["first_rank"]
        self.world_size: int = fields["world_size"]
        self.spawns_ranks: bool = fields["spawn"] == "ranks"
        self.external: bool = fields["spawn"] == "external"
        self.launcher: str = fields["launcher"]
        self.argv: list[str] = fields["argv"]
        self.env: dict[str, str] = fields["env"]
        self.cwd: str = fields["cwd"]
        self.python: str = fields["python"]
        self.requires_module: str | None = fields.get("requires_module")
        self.entry: str | None = fields.get("entry")
        self.output_dir: str | None = fields.get("output_dir")
        self.master_addr: str = fields.get("master_addr", "127.0.0.1")
        self.master_port: int = fields.get("master_port", 0)
        self.wait_for_go: bool = fields.get("wait_for_go", False)
        self.grace: float = fields.get("grace", 10.0)
        self.fail_fast: bool = fields.get("fail_fast", True)
        self.hooks: bool = fields.get("hooks", True)
        self.setup: str = fields.get("setup", "")
        self.path_prefix: str = fields.get("path_prefix", "")
        self.shared_dir: bool = fields.get("shared_dir", False)

    @property
    def attempt_dir(self) -> str:
        """Logs and records of this attempt."""
        return f"{self.node_dir}/attempt-{self.attempt}"

    @property
    def ranks(self) -> range:
        """The global ranks of this node."""
        return range(self.first_rank, self.first_rank + self.nproc)


def read_order(path: str) -> Order:
    """Read and type an order.

    Raises:
        OrderError: The file is missing, broken, incomplete or of another version.
    """
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        if fields.get("version", VERSION) != VERSION:
            raise OrderError(
                f"{path}: order version {fields['version']}, this agent reads {VERSION}"
            )
        return Order(fields)
    except (OSError, ValueError) as error:
        raise OrderError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise OrderError(f"{path}: incomplete or mistyped: {error!r}") from error
