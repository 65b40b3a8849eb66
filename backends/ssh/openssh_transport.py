"""The openssh transport: the system's ssh program, one process per command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.ssh.link import LinkOptions, Transport


def make(options: LinkOptions, secrets: Mapping[str, str]) -> Transport:
    """See `make_transport`."""
    raise LinkError(LinkFault.CONFIG, "the openssh transport is not installed")
