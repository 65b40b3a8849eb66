"""SshBackend: hosts of an inventory, reached over SSH; no shared file system is needed."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.options import OPTIONS, ssh_options
from rankdeck.backend import Capability
from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from backends.ssh.keys import LockedKey
    from backends.ssh.known_hosts import HostKey
    from backends.ssh.link import LinkOptions
    from backends.ssh.options import SshOptions
    from rankdeck.ask import Ask
    from rankdeck.backend import BackendOption, Session, SessionContext
    from rankdeck.backend_reach import NodeAnswer
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.run.layout import RunDir

_TRIES = 3
"""How often a passphrase is asked for."""


class SshBackend:
    """See the module."""

    name = "ssh"
    title = "Hosts over SSH"
    capabilities: frozenset[Capability] = frozenset({Capability.MULTI_NODE})
    options: tuple[BackendOption, ...] = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """The hosts that the job or the inventory names; with `sync`, where the project will lie.

        Raises:
            UserError: There are none, or the inventory or the SSH configuration has mistakes.
        """
        from backends.ssh.places import Places
        from rankdeck.nodes.inventory import find_nodes

        options = ssh_options(spec.backend_options)
        nodes = find_nodes(spec, os.environ)
        if not options.sync:
            return nodes
        places = Places(options)
        return tuple(
            msgspec.structs.replace(node, project=places.project(node, spec.project))
            for node in nodes
        )

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """Confirm unknown host keys, unlock encrypted keys: passphrases by path of the key.

        Raises:
            UserError: Refused, or nobody can be asked; or a host cannot be reached for its key.
        """
        options = link_options(ssh_options(spec.backend_options))
        secrets = _unlock(nodes, options, ask)
        _confirm_host_keys(nodes, options, secrets, ask)
        return secrets

    def open(self, context: SessionContext) -> Session:
        """A session that has not connected yet."""
        from backends.ssh.session import SshSession

        return SshSession(context)

    def run_on_nodes(
        self,
        spec: JobSpec,
        nodes: Sequence[Node],
        secrets: Mapping[str, str],
        command: str,
        data: bytes,
    ) -> Iterator[NodeAnswer]:
        """One command on every host at once, by one connection each."""
        from backends.ssh.reach import run_on_hosts

        options = link_options(ssh_options(spec.backend_options))
        return run_on_hosts(options, secrets, nodes, command, data)

    def shell_command(self, run: RunDir, node: str) -> tuple[str, ...] | None:
        """The ssh program on that host, as the user would call it."""
        from rankdeck.run.stored import read_plan

        plan = read_plan(run)
        there = next((known for known in plan.nodes if known.name == node), None)
        if there is None:
            return None
        config = ssh_options(plan.backend_options).ssh_config
        argv = ["ssh", *(("-F", config) if config else ())]
        argv += ["-l", there.user] if there.user else []
        argv += ["-p", str(there.port)] if there.port else []
        return (*argv, "--", there.address or there.name)

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Any machine on which the user has this run directory reaches the hosts the same way."""
        return True


def link_options(options: SshOptions) -> LinkOptions:
    """What of these options is about connections."""
    from backends.ssh.link import LinkOptions

    return LinkOptions(
        transport=options.transport,
        config_file=options.ssh_config,
        connect_timeout=options.connect_timeout or 10.0,
        insist=options.connect_timeout is not None,
        # the couriers say something every few seconds; this is for what is between us and them
        keepalive=15.0,
    )


def _unlock(nodes: Sequence[Node], options: LinkOptions, ask: Ask) -> dict[str, str]:
    from backends.ssh.keys import locked_keys

    secrets = {}
    for key in locked_keys(nodes, options):
        if options.transport == "openssh":
            passphrase, trouble = None, _locked(key, "and ssh cannot be handed its passphrase")
        else:
            passphrase, trouble = _passphrase(key, ask)
        if passphrase:
            secrets[os.fspath(key.path)] = passphrase
        elif key.only_key_for:
            raise trouble
    return secrets


def _passphrase(key: LockedKey, ask: Ask) -> tuple[str | None, UserError]:
    """The passphrase that opens the key; else why there is none."""
    wrong = ""
    try:
        for _ in range(_TRIES):
            given = ask.secret(f"{wrong}passphrase for {key.path}")
            if not given:
                return None, _locked(key, "and no passphrase was given")
            if _opens(key.path, given):
                return given, _locked(key, "")
            wrong = "that was wrong; "
    except UserError as error:
        return None, error
    return None, _locked(key, f"and {_TRIES} passphrases were wrong")


def _locked(key: LockedKey, why: str) -> UserError:
    return UserError(
        f"{key.path}, the only key for {key.only_key_for}, is locked, {why}",
        f"add it to your ssh-agent: ssh-add {shlex.quote(os.fspath(key.path))}",
        exit_code=ExitCode.UNUSABLE,
    )


def _opens(path: Path, passphrase: str) -> bool:
    from backends.ssh.paramiko_keys import load_private_key

    try:
        load_private_key(path.read_bytes(), passphrase)
    except (ValueError, OSError):
        return False
    return True


def _confirm_host_keys(
    nodes: Sequence[Node], options: LinkOptions, secrets: Mapping[str, str], ask: Ask
) -> None:
    from backends.ssh.prompts import (
        add_host_key,
        fetch_host_key,
        host_keys_missing,
        host_keys_unknown,
    )

    # a jump host must be known before the hosts behind it can show their keys
    while missing := host_keys_missing(nodes, options):
        keys = _fetch_all(missing, options, secrets, fetch_host_key)
        listing = "\n".join(f"{node.name}: {key.kind} {key.fingerprint}" for node, key in keys)
        question = f"{len(keys)} hosts that no known_hosts file names; trust and add these keys?"
        if len(keys) == 1:
            name = keys[0][0].name
            question = f"{name} is a host that no known_hosts file names; trust and add this key?"
        try:
            sure = ask.confirm(question, listing)
        except UserError as error:
            raise host_keys_unknown(keys, options) from error
        if not sure:
            raise UserError(
                "the host keys were not confirmed",
                "add them to known_hosts yourself, or leave these hosts out with --exclude",
                exit_code=ExitCode.UNUSABLE,
            )
        for node, key in keys:
            add_host_key(node, key, options)


def _fetch_all(
    missing: Sequence[Node],
    options: LinkOptions,
    secrets: Mapping[str, str],
    fetch: _Fetch,
) -> list[tuple[Node, HostKey]]:
    """Keys of as many hosts as show theirs; all of the rest's troubles when none does.

    Raises:
        LinkError: The first host's trouble, when no host could be asked.
    """
    from concurrent.futures import ThreadPoolExecutor

    from backends.ssh.link import LinkError

    def one(node: Node) -> HostKey | LinkError:
        try:
            return fetch(node, options, secrets)
        except LinkError as error:
            return error

    with ThreadPoolExecutor(min(64, len(missing))) as pool:
        found = list(zip(missing, pool.map(one, missing), strict=True))
    keys = [(node, key) for node, key in found if not isinstance(key, LinkError)]
    if not keys:
        raise next(key for _, key in found if isinstance(key, LinkError))
    return keys


if TYPE_CHECKING:
    from collections.abc import Callable

    _Fetch = Callable[[Node, LinkOptions, Mapping[str, str] | None], HostKey]
