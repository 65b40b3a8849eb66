"""Where things lie on the nodes; the same for a dry run and for the run itself."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from backends.ssh.config import Resolver
from backends.ssh.link import LinkOptions

if TYPE_CHECKING:
    from backends.ssh.options import SshOptions
    from rankdeck.nodes.node import Node

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


class Places:
    """The folders on each node. Reads the SSH configuration for the name we log in by."""

    def __init__(self, options: SshOptions) -> None:
        self._parent = options.node_dir.rstrip("/")
        self._resolver = Resolver(LinkOptions(config_file=options.ssh_config))

    def root(self, node: Node) -> str:
        """The folder in which a node keeps everything of ours: bundle, runs, projects.

        Raises:
            LinkError: The SSH configuration cannot be used.
        """
        user = node.user or self._resolver.resolve(node).user
        return f"{self._parent}/rankdeck-{_ODD.sub('_', user)}"

    def project(self, node: Node, project: str) -> str:
        """Where the copy of a project lies on a node.

        Raises:
            LinkError: As `root`.
        """
        return f"{self.root(node)}/projects/{project_folder(project)}"


def project_folder(project: str) -> str:
    """What a project's copy is called: two projects of one name do not meet."""
    digest = hashlib.sha256(os.fsencode(project)).hexdigest()[:12]
    name = _ODD.sub("_", os.path.basename(project.rstrip("/"))).lstrip(".") or "project"
    return f"{name}-{digest}"
