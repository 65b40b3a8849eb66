"""From the words that a walk through ssh_config has found to what they mean."""

from __future__ import annotations

import os
import socket
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

from backends.ssh.config_reading import expand
from backends.ssh.host_config import Hop, HostConfig
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.ssh.config_reading import Reading
    from backends.ssh.link import LinkOptions

_ONLY_OPENSSH = {
    "pkcs11provider": "none",
    "knownhostscommand": "none",
    "revokedhostkeys": "none",
    "canonicalizehostname": "no",
    "bindinterface": "",
    "proxyusefdpass": "no",
    "hostbasedauthentication": "no",
}
"""Options that change whether or how a host is reached, and the value that switches them off."""


_USER_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_SYSTEM_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def build(reading: Reading, options: LinkOptions, paths: dict[str, Path]) -> HostConfig:
    """The configuration that a walk has found; `paths` remembers those that are the same for all.

    Raises:
        LinkError: A value makes no sense; names its file and line.
    """
    hostname = reading.host_name()
    user = reading.first("user") or reading.here.user
    port = _number(reading, "port", 22)
    alias = reading.first("hostkeyalias")
    jumps = _jumps(reading, hostname, user, port)
    tokens = _tokens(reading, hostname, user, port, alias)
    control = reading.first("controlpath")
    if "%C" in control:
        tokens["C"] = _connection_hash(tokens, jumps)

    def path(text: str) -> Path:
        if "%" in text:
            return _path(expand(text, tokens))
        if text not in paths:
            paths[text] = _path(text)
        return paths[text]

    named = [text for text in reading.lists.get("identityfile", []) if text.lower() != "none"]
    user_hosts = reading.all("userknownhostsfile") or _USER_HOSTS
    system_hosts = reading.all("globalknownhostsfile") or _SYSTEM_HOSTS
    user_files = tuple(path(text) for text in user_hosts if text.lower() != "none")
    return HostConfig(
        name=reading.original,
        hostname=hostname,
        port=port,
        user=user,
        identity_files=tuple(path(text) for text in named) or _usual_identities(reading),
        default_identities=not reading.lists.get("identityfile"),
        certificate_files=tuple(path(text) for text in reading.lists.get("certificatefile", ())),
        identities_only=_yes(reading, "identitiesonly"),
        identity_agent=_agent(reading.first("identityagent"), path),
        jumps=jumps,
        proxy_command="" if jumps else _proxy_command(reading, tokens),
        host_key_alias=alias,
        user_known_hosts=user_files,
        known_hosts_files=user_files + tuple(path(text) for text in system_hosts),
        hash_known_hosts=_yes(reading, "hashknownhosts"),
        connect_timeout=_connect_timeout(reading, options),
        connection_attempts=max(1, _number(reading, "connectionattempts", 1)),
        server_alive_interval=_seconds(reading, "serveraliveinterval", 0.0),
        address_family=_FAMILIES.get(reading.first("addressfamily").lower(), socket.AF_UNSPEC),
        bind_address=reading.first("bindaddress"),
        compression=_yes(reading, "compression"),
        ciphers=reading.first("ciphers"),
        macs=reading.first("macs"),
        kex_algorithms=reading.first("kexalgorithms"),
        host_key_algorithms=reading.first("hostkeyalgorithms"),
        pubkey_algorithms=reading.first("pubkeyacceptedalgorithms")
        or reading.first("pubkeyacceptedkeytypes"),
        control_path=str(path(control)) if control and control.lower() != "none" else "",
        pubkey_allowed=_pubkey_allowed(reading),
        gssapi=_yes(reading, "gssapiauthentication"),
        needs_openssh=reading.openssh_only or _openssh_option(reading),
    )


def _path(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()


def _tokens(reading: Reading, hostname: str, user: str, port: int, alias: str) -> dict[str, str]:
    local = reading.here.host
    return {
        "d": str(reading.here.home),
        "h": hostname,
        "i": str(os.getuid()),
        "k": alias or reading.original,
        "L": local.split(".")[0],
        "l": local,
        "n": reading.original,
        "p": str(port),
        "r": user,
        "u": reading.here.user,
    }


def _connection_hash(tokens: dict[str, str], jumps: tuple[Hop, ...]) -> str:
    # ssh names the socket of a shared connection after this
    through = ",".join(
        (f"{hop.user}@" if hop.user else "") + hop.host + (f":{hop.port}" if hop.port else "")
        for hop in jumps
    )
    parts = (*(tokens[token] for token in "lhpr"), through)
    return sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _number(reading: Reading, keyword: str, default: int) -> int:
    text = reading.first(keyword)
    if not text:
        return default
    if not text.isdigit():
        where = reading.values[keyword].where
        raise LinkError(LinkFault.CONFIG, f"{where}: {keyword} {text!r} is not a number")
    return int(text)


def _connect_timeout(reading: Reading, options: LinkOptions) -> float:
    configured = _seconds(reading, "connecttimeout", options.connect_timeout)
    return options.connect_timeout if options.insist else configured


def _seconds(reading: Reading, keyword: str, default: float) -> float:
    text = reading.first(keyword).lower()
    if not text or text == "none":
        return default
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1], 0)
    digits = text[:-1] if unit else text
    if not digits.isdigit():
        where = reading.values[keyword].where
        raise LinkError(LinkFault.CONFIG, f"{where}: {keyword} {text!r} is not a time")
    # zero switches the option off
    return float(int(digits) * (unit or 1)) or default


def _yes(reading: Reading, keyword: str) -> bool:
    return reading.first(keyword).lower() in ("yes", "true")


def _usual_identities(reading: Reading) -> tuple[Path, ...]:
    if reading.lists.get("identityfile"):
        return ()
    names = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
    return tuple(reading.here.home / ".ssh" / name for name in names)


def _agent(configured: str, path: Callable[[str], Path]) -> str:
    if configured.lower() == "none":
        return ""
    if not configured or configured == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "")
    if configured.startswith("$") and not configured.startswith("${"):
        return os.environ.get(configured[1:], "")
    return str(path(configured))


def _jumps(reading: Reading, hostname: str, user: str, port: int) -> tuple[Hop, ...]:
    jump, command = reading.values.get("proxyjump"), reading.values.get("proxycommand")
    if not jump or jump.args[0].lower() == "none":
        return ()
    order = list(reading.values)
    if command and order.index("proxycommand") < order.index("proxyjump"):
        return ()
    tokens = {"h": hostname, "n": reading.original, "p": str(port), "r": user}
    spelled = expand(jump.args[0], tokens).split(",")
    return tuple(parse_hop(text.strip(), jump.where) for text in spelled)


def parse_hop(text: str, where: str) -> Hop:
    """`[user@]host[:port]` or `ssh://[user@]host[:port]`.

    Raises:
        LinkError: It is not of that form.
    """
    rest = text.removeprefix("ssh://").rstrip("/")
    user, _, rest = rest.rpartition("@")
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port = tail.removeprefix(":")
    else:
        host, _, port = rest.partition(":")
    if not host or host.startswith("-") or (port and not port.isdigit()):
        raise LinkError(LinkFault.CONFIG, f"{where}: {text!r} is not a jump host")
    return Hop(host, user, int(port or 0))


def _proxy_command(reading: Reading, tokens: dict[str, str]) -> str:
    command = reading.first("proxycommand")
    return "" if command.lower() == "none" else expand(command, tokens)


def _pubkey_allowed(reading: Reading) -> bool:
    if reading.first("pubkeyauthentication").lower() == "no":
        return False
    preferred = reading.first("preferredauthentications").lower()
    return not preferred or "publickey" in preferred.split(",")


def _openssh_option(reading: Reading) -> str:
    for keyword, off in _ONLY_OPENSSH.items():
        line = reading.values.get(keyword)
        if line and line.args[0].lower() != off:
            return f"{keyword} ({line.where})"
    if not _pubkey_allowed(reading):
        line = reading.values.get("pubkeyauthentication") or reading.values.get(
            "preferredauthentications"
        )
        return f"a way to log in other than with keys ({line.where if line else ''})"
    return ""
