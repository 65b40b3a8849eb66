"""What ssh's own words mean, as link faults. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from backends.ssh.host_config import HostConfig

# the first that is found counts: what a jump host says comes before what ssh makes of it
_SAYINGS: tuple[tuple[str, LinkFault], ...] = (
    (
        r"bad owner or permissions on|bad configuration option|terminating, \d+ bad",
        LinkFault.CONFIG,
    ),
    (r"remote host identification has changed|key is marked as revoked", LinkFault.KEY_CHANGED),
    (
        r"host key is known for .* strict checking|host key verification failed",
        LinkFault.KEY_UNKNOWN,
    ),
    (r"open failed: administratively prohibited", LinkFault.CONFIG),
    (r"open failed: connect failed: .*refused", LinkFault.REFUSED),
    (r"open failed: connect failed: .*timed out", LinkFault.TIMEOUT),
    (r"open failed: connect failed: .*(name|resolution)", LinkFault.UNKNOWN_HOST),
    (r"open failed: connect failed", LinkFault.NO_ROUTE),
    (r"could not resolve hostname", LinkFault.UNKNOWN_HOST),
    (r"too many authentication failures|permission denied \(", LinkFault.AUTH),
    (r"no matching .* found|unable to negotiate", LinkFault.CONFIG),
    (r"connection refused", LinkFault.REFUSED),
    (r"no route to host|network is unreachable|stdio forwarding failed", LinkFault.NO_ROUTE),
    (r"timed out", LinkFault.TIMEOUT),
    (r"exceeded maxstartups|not allowed at this time", LinkFault.BUSY),
    (r"kex_exchange_identification|connection (closed|reset) by", LinkFault.BUSY),
)


def fault_from(said: str, config: HostConfig, *, timed_out: bool = False) -> LinkError:
    """Why ssh did not get as far as running a command."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for saying, fault in _SAYINGS:
        line = next((line for line in lines if re.search(saying, line.lower())), "")
        if line:
            return LinkError(fault, *_words(fault, said, line.removeprefix("ssh: "), config))
    fault = LinkFault.TIMEOUT if timed_out else LinkFault.CONFIG
    return LinkError(fault, *_words(fault, said, _last_line(said), config))


def lost_from(said: str, host: str) -> LinkError:
    """The connection broke while a command was running."""
    last = _last_line(said) or "ssh ended without a word"
    return LinkError(LinkFault.LOST, f"the connection to {host} broke: {last}")


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("ssh: ") if lines else ""


def _words(fault: LinkFault, said: str, line: str, config: HostConfig) -> tuple[str, str]:
    """Message and hint; `line` is what ssh said that counts."""
    name, port = config.name, config.port
    if fault is LinkFault.KEY_CHANGED:
        return _changed(said, config)
    if fault is LinkFault.CONFIG:
        told = line or "it ended before a command could be run"
        return f"ssh cannot log in to {name}: {told}", ""
    if fault is LinkFault.AUTH:
        unprotected = re.search(r"Permissions (\d+) for '(.+)' are too open", said)
        if unprotected:
            mode, path = unprotected.groups()
            told = f"{path} has permissions {mode}, which are too open"
            return f"{name} refuses our keys ({told})", f"chmod 600 {shlex.quote(path)}"
        hint = f"install your public key there: ssh-copy-id {config.target};"
        return (
            f"{name} refuses the keys of {config.user}: {line}",
            f"{hint} a key with a passphrase must be in an agent: ssh-add",
        )
    told = {
        LinkFault.KEY_UNKNOWN: f"the host key of {name} is not known",
        LinkFault.UNKNOWN_HOST: f"the name {config.hostname!r} does not resolve",
        LinkFault.NO_ROUTE: f"{name} cannot be reached on port {port}",
        LinkFault.REFUSED: f"{name} refuses connections on port {port}",
        LinkFault.TIMEOUT: f"{name} does not answer on port {port}",
        LinkFault.BUSY: f"{name} closes connections before its greeting",
    }[fault]
    if config.jumps and (hop := re.search(r"connect to host (\S+) port \d+: (.+)", line)):
        # its own words name who is meant: a host on the way
        told, line = f"the way to {name} ends at {hop.group(1)}", hop.group(2)
    elif config.jumps and fault is not LinkFault.UNKNOWN_HOST:
        told += f" by way of {', '.join(jump.host for jump in config.jumps)}"
    return f"{told} ({line})" if line else told, _HINTS[fault].format(target=config.target)


_HINTS = {
    LinkFault.KEY_UNKNOWN: "connect by hand once and compare the fingerprint: ssh {target}",
    LinkFault.UNKNOWN_HOST: "check its spelling, the hostfile and HostName in your SSH"
    " configuration",
    LinkFault.NO_ROUTE: "",
    LinkFault.REFUSED: "is its sshd running, and is the port right?",
    LinkFault.TIMEOUT: "is it switched on, and is there a firewall between?",
    LinkFault.BUSY: "its sshd limits them (MaxStartups), or refuses this address",
}


def _changed(said: str, config: HostConfig) -> tuple[str, str]:
    shown = re.search(r"SHA256:[\w+/]+", said)
    where = re.search(r"Offending .*key in (.+:\d+)", said)
    told = f"the host key of {config.name} has changed"
    if shown:
        told += f": it shows {shown.group()}"
    if where:
        told += f", but {where.group(1).strip()} has another"
    return (
        told,
        "somebody may be in between, or the host was installed anew; ask who runs it before you"
        " remove that line",
    )
