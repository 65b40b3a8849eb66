"""Backends for the interface's tests: one of many nodes with every kind of option, one that asks.

Registered in this process only: a supervisor, which is another process, knows nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.local import LocalBackend
from rankdeck import backend as registry
from rankdeck.backend import BackendOption, Capability
from rankdeck.errors import ExitCode, UserError
from rankdeck.nodes.inventory import parse_host_option
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from rankdeck.ask import Ask
    from rankdeck.job.spec import JobSpec

OPTIONS = (
    BackendOption(name="partition", type="str", label="Partition", help="[bold]Queue[/] to use."),
    BackendOption(name="cpus", type="int", help="CPUs of each rank.", default=2, metavar="N"),
    BackendOption(name="rate", type="float", help="How fast."),
    BackendOption(name="exclusive", type="bool", label="Exclusive", help="Alone.", default=False),
    BackendOption(name="when", type="str", help="When.", choices=("now", "later")),
    BackendOption(
        name="line",
        type="str",
        label="More lines",
        help="Anything.",
        repeatable=True,
        default="[bold]--x\x1b[2J[/rank3]",
    ),
)


class ClusterBackend:
    """Nodes from --host; without it, two that a scheduler will choose."""

    name = "cluster"
    title = "A cluster"
    capabilities = frozenset({Capability.MULTI_NODE, Capability.QUEUE})
    options = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        if spec.host:
            return parse_host_option(spec.host)
        count = spec.nnodes or 2
        return tuple(Node(name=f"node-{i}", placeholder=True) for i in range(count))


class AskingBackend(LocalBackend):
    """This machine, after a question and a passphrase."""

    answers: tuple[object, ...] = ()

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        sure = ask.confirm("Trust [/node1]?\x1b[2J", "its key is\nSHA256:[bold]abc[/]\x1b]0;x\x07")
        secret = ask.secret("passphrase of [/id_rsa]") if sure else None
        type(self).answers = (sure, secret)
        if not sure:
            raise UserError("node1 is not trusted", exit_code=ExitCode.UNUSABLE)
        return {}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make them known: `cluster` beside the others, the asking one in place of `local`."""
    monkeypatch.setattr(AskingBackend, "answers", ())
    monkeypatch.setitem(registry._SHIPPED, "cluster", f"{__name__}:ClusterBackend")
    monkeypatch.setitem(registry._SHIPPED_OPTIONS, "cluster", __name__)


def register_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the backend of this machine ask."""
    monkeypatch.setattr(AskingBackend, "answers", ())
    monkeypatch.setitem(registry._SHIPPED, "local", f"{__name__}:AskingBackend")
