"""Node: one host a run may use, as an inventory described it."""

from __future__ import annotations

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A host. `name` is what the user reads; `address` is how it is reached."""

    name: str
    address: str = ""
    """Host name or address; empty: the same as `name`."""
    user: str = ""
    port: int = 0
    """SSH port; 0: the default."""
    slots: int | None = None
    """How many ranks the inventory allows here; None: it does not say."""
    gpus: int = 0
    cpus: int = 0
    labels: tuple[str, ...] = ()
    devices: tuple[int, ...] = ()
    """The slots (accelerators) this run may use here, by number; empty: all of them."""
    project: str = ""
    """Where the project lies on this node; empty: the same path as here."""
    placeholder: bool = False
    """It stands for a node that a scheduler will choose; `name` is no host's."""
    origin: str = ""
    """Where the inventory names it (`/p/hostfile:3`, `--host`, `$SLURM_JOB_NODELIST`)."""
