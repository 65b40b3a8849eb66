"""Named groups of hosts (`@gpu`), as the site or the user configured them for ClusterShell."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")


def resolve_group(name: str) -> tuple[str, ...]:
    """The hosts of a group; `source:name` asks another source than the default one.

    ClusterShell reads `groups.conf` and runs what is configured there.

    Raises:
        ValueError: With the rest of a sentence that begins with the group.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("is not a group's name")
    # imported late: it costs more than reading a hostfile does
    from ClusterShell.NodeSet import NodeSet, NodeSetException
    from ClusterShell.NodeUtils import GroupResolverError, GroupSourceError

    try:
        hosts = tuple(str(host) for host in NodeSet(f"@{name}"))
    except (NodeSetException, GroupResolverError, GroupSourceError) as error:
        raise ValueError(f"cannot be looked up: {error}") from None
    if not hosts:
        raise ValueError("is a group without hosts, or one that ClusterShell does not know")
    return hosts
