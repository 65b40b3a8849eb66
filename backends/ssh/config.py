"""What the user's ssh_config says about one host, in ssh's own order: the first value counts.

`Resolver.resolve` is the whole interface. What only the `ssh` program can do (Match exec, PKCS#11
and the like) is not guessed: it is named in `HostConfig.needs_openssh`.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.config_files import ConfigFiles, Line, included, words
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.patterns import matches_any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.ssh.link import LinkOptions
    from rankdeck.nodes.node import Node

_MAX_DEPTH = 16
_LISTS = frozenset({"identityfile", "certificatefile"})
_FINAL_CRITERIA = frozenset({"final", "canonical"})
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


class Hop(msgspec.Struct, frozen=True):
    """A jump host, as `ProxyJump` names it."""

    host: str
    user: str = ""
    port: int = 0


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one host that a connection needs; paths and tokens are expanded."""

    name: str
    """What the user calls it."""
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    default_identities: bool = True
    """The identity files are ssh's usual ones, not named by the user."""
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str = ""
    """Path of the agent's socket; empty: no agent."""
    jumps: tuple[Hop, ...] = ()
    proxy_command: str = ""
    host_key_alias: str = ""
    known_hosts_files: tuple[Path, ...] = ()
    """The user's, then the system's."""
    user_known_hosts: tuple[Path, ...] = ()
    hash_known_hosts: bool = False
    connect_timeout: float = 10.0
    connection_attempts: int = 1
    server_alive_interval: float = 0.0
    address_family: socket.AddressFamily = socket.AF_UNSPEC
    bind_address: str = ""
    compression: bool = False
    ciphers: str = ""
    macs: str = ""
    kex_algorithms: str = ""
    host_key_algorithms: str = ""
    pubkey_algorithms: str = ""
    control_path: str = ""
    """Socket of a connection that ssh may share; empty: none."""
    pubkey_allowed: bool = True
    gssapi: bool = False
    needs_openssh: str = ""
    """The setting that only the ssh program can honour, with its file and line."""

    @property
    def target(self) -> str:
        """`user@host`, with the port if it is not the usual one."""
        return f"{self.user}@{self.hostname}" + (f":{self.port}" if self.port != 22 else "")


@dataclass(slots=True)
class _Reading:
    """One walk through the files for one host."""

    original: str
    files: ConfigFiles
    values: dict[str, Line] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    final: bool = False
    wants_final: bool = False
    openssh_only: str = ""

    def first(self, keyword: str, default: str = "") -> str:
        line = self.values.get(keyword)
        return line.args[0] if line else default

    def all(self, keyword: str) -> tuple[str, ...]:
        line = self.values.get(keyword)
        return line.args if line else ()

    def walk(self, path: Path, base: Path, *, own: bool, active: bool, depth: int = 0) -> bool:
        """Take what applies from one file; False if there is no such file."""
        lines = self.files.lines(path, check_owner=own)
        if lines is None:
            return False
        if depth > _MAX_DEPTH:
            raise LinkError(LinkFault.CONFIG, f"{path}: Include goes too deep, or in a circle")
        enclosing = active
        for line in lines:
            if not line.args or (line.args == ("",) and line.keyword != "bindinterface"):
                raise LinkError(LinkFault.CONFIG, f"{line.where}: {line.keyword} has no value")
            if line.keyword == "host":
                active = enclosing and matches_any(self.original, line.args)
            elif line.keyword == "match":
                active = self._matches(line) and enclosing
            elif line.keyword == "include":
                for found in included(line.args, base):
                    self.walk(found, base, own=own, active=active, depth=depth + 1)
            elif active:
                self._take(line)
        return True

    def _take(self, line: Line) -> None:
        if line.keyword in _LISTS:
            entries = self.lists.setdefault(line.keyword, [])
            if line.args[0] not in entries:
                entries.append(line.args[0])
            return
        self.values.setdefault(line.keyword, line)

    def _matches(self, line: Line) -> bool:
        criteria = list(line.args)
        applies = True
        while criteria:
            word = criteria.pop(0)
            negated, name = word.startswith("!"), word.lstrip("!").lower()
            name, _, argument = name.partition("=")
            if name == "all":
                continue
            if name in _FINAL_CRITERIA:
                self.wants_final = self.wants_final or name == "final"
                holds = self.final
            else:
                if not argument:
                    if not criteria:
                        raise LinkError(LinkFault.CONFIG, f"{line.where}: Match {name} of what?")
                    argument = criteria.pop(0)
                if not applies:
                    continue
                holds = self._holds(name, argument, line)
            applies = applies and holds != negated
        return applies

    def _holds(self, name: str, argument: str, line: Line) -> bool:
        subject = {
            "host": lambda: _host_name(self.first("hostname"), self.original).lower(),
            "originalhost": lambda: self.original.lower(),
            "user": lambda: self.first("user") or getpass.getuser(),
            "localuser": getpass.getuser,
        }.get(name)
        if subject is None:
            self.openssh_only = self.openssh_only or f"Match {name} ({line.where})"
            return False
        return matches_any(subject(), argument.split(","))


class Resolver:
    """Answers what the configuration says about hosts; reads each file once."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._files = ConfigFiles()
        self._paths: dict[str, Path] = {}

    def resolve(self, node: Node) -> HostConfig:
        """The configuration for a node of an inventory.

        Raises:
            LinkError: The configuration cannot be read or makes no sense; names file and line.
        """
        config = self.resolve_host(node.address or node.name, node.user, node.port)
        return msgspec.structs.replace(config, name=node.name)

    def resolve_host(self, host: str, user: str = "", port: int = 0) -> HostConfig:
        """The configuration for a host; what is given here comes before what the files say.

        Raises:
            LinkError: As `resolve`.
        """
        reading = self._read(host, user, port)
        return _build(reading, self._options, self._paths)

    def _read(self, host: str, user: str, port: int) -> _Reading:
        given = {"user": user, "port": str(port) if port else ""}
        preset = {name: Line(name, (value,), "") for name, value in given.items() if value}
        reading = _Reading(host, self._files, dict(preset))
        self._walk_all(reading)
        if reading.wants_final:
            reading.final = True
            self._walk_all(reading)
        return reading

    def _walk_all(self, reading: _Reading) -> None:
        ssh = Path.home() / ".ssh"
        chosen = self._options.config_file
        if chosen:
            path = Path(chosen).expanduser()
            if not reading.walk(path, ssh, own=False, active=True):
                raise LinkError(LinkFault.CONFIG, f"the SSH configuration {path} cannot be read")
            return
        reading.walk(ssh / "config", ssh, own=True, active=True)
        reading.walk(Path("/etc/ssh/ssh_config"), Path("/etc/ssh"), own=False, active=True)


def _host_name(configured: str, original: str) -> str:
    # %h here is the name on the command line: HostName cannot refer to itself
    return _percent(configured, {"h": original}) if configured else original


def _percent(text: str, tokens: dict[str, str]) -> str:
    if "%" not in text:
        return text
    parts = text.split("%%")
    for token, value in tokens.items():
        parts = [part.replace(f"%{token}", value) for part in parts]
    return "%".join(parts)


def _build(reading: _Reading, options: LinkOptions, paths: dict[str, Path]) -> HostConfig:
    hostname = _host_name(reading.first("hostname"), reading.original)
    user = reading.first("user") or getpass.getuser()
    port = _number(reading, "port", 22)
    alias = reading.first("hostkeyalias")
    jumps = _jumps(reading, hostname, user, port)
    tokens = _tokens(reading.original, hostname, user, port, alias)
    control = reading.first("controlpath")
    if "%C" in control:
        tokens["C"] = _connection_hash(tokens, jumps)

    def path(text: str) -> Path:
        if "%" in text:
            return _path(_percent(text, tokens))
        if text not in paths:
            paths[text] = _path(text)
        return paths[text]

    named = [text for text in reading.lists.get("identityfile", []) if text.lower() != "none"]
    user_hosts = reading.all("userknownhostsfile") or ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
    system_hosts = reading.all("globalknownhostsfile") or (
        "/etc/ssh/ssh_known_hosts",
        "/etc/ssh/ssh_known_hosts2",
    )
    user_files = tuple(path(text) for text in user_hosts if text.lower() != "none")
    families = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
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
        connect_timeout=_seconds(reading, "connecttimeout", options.connect_timeout),
        connection_attempts=max(1, _number(reading, "connectionattempts", 1)),
        server_alive_interval=_seconds(reading, "serveraliveinterval", 0.0),
        address_family=families.get(reading.first("addressfamily").lower(), socket.AF_UNSPEC),
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


def _tokens(original: str, hostname: str, user: str, port: int, alias: str) -> dict[str, str]:
    local = socket.gethostname()
    return {
        "d": str(Path.home()),
        "h": hostname,
        "i": str(os.getuid()),
        "k": alias or original,
        "L": local.split(".")[0],
        "l": local,
        "n": original,
        "p": str(port),
        "r": user,
        "u": getpass.getuser(),
    }


def _connection_hash(tokens: dict[str, str], jumps: tuple[Hop, ...]) -> str:
    # ssh names the socket of a shared connection after this
    through = ",".join(
        (f"{hop.user}@" if hop.user else "") + hop.host + (f":{hop.port}" if hop.port else "")
        for hop in jumps
    )
    parts = (*(tokens[token] for token in "lhpr"), through)
    return sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _number(reading: _Reading, keyword: str, default: int) -> int:
    text = reading.first(keyword)
    if not text:
        return default
    if not text.isdigit():
        where = reading.values[keyword].where
        raise LinkError(LinkFault.CONFIG, f"{where}: {keyword} {text!r} is not a number")
    return int(text)


def _seconds(reading: _Reading, keyword: str, default: float) -> float:
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


def _yes(reading: _Reading, keyword: str) -> bool:
    return reading.first(keyword).lower() in ("yes", "true")


def _usual_identities(reading: _Reading) -> tuple[Path, ...]:
    if reading.lists.get("identityfile"):
        return ()
    names = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
    return tuple(Path.home() / ".ssh" / name for name in names)


def _agent(configured: str, path: object) -> str:
    assert callable(path)
    if configured.lower() == "none":
        return ""
    if not configured or configured == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "")
    if configured.startswith("$") and not configured.startswith("${"):
        return os.environ.get(configured[1:], "")
    return str(path(configured))


def _jumps(reading: _Reading, hostname: str, user: str, port: int) -> tuple[Hop, ...]:
    jump, command = reading.values.get("proxyjump"), reading.values.get("proxycommand")
    if not jump or jump.args[0].lower() == "none":
        return ()
    order = list(reading.values)
    if command and order.index("proxycommand") < order.index("proxyjump"):
        return ()
    tokens = {"h": hostname, "n": reading.original, "p": str(port), "r": user}
    spelled = _percent(jump.args[0], tokens).split(",")
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


def _proxy_command(reading: _Reading, tokens: dict[str, str]) -> str:
    command = reading.first("proxycommand")
    return "" if command.lower() == "none" else _percent(command, tokens)


def _pubkey_allowed(reading: _Reading) -> bool:
    if reading.first("pubkeyauthentication").lower() == "no":
        return False
    preferred = reading.first("preferredauthentications").lower()
    return not preferred or "publickey" in preferred.split(",")


def _openssh_option(reading: _Reading) -> str:
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


def split_list(text: str, defaults: Sequence[str], supported: Sequence[str]) -> tuple[str, ...]:
    """An algorithm list of ssh_config (`a,b`, `+a`, `-a*`, `^a`) over our own defaults.

    Algorithms that are not `supported` are left out: another implementation need not know them.
    """
    head, names = (text[0], text[1:]) if text[:1] in tuple("+-^") else ("", text)
    given = tuple(name for name in names.split(",") if name)
    if not text:
        chosen: tuple[str, ...] = tuple(defaults)
    elif head == "-":
        chosen = tuple(name for name in defaults if not matches_any(name, given))
    elif head == "+":
        chosen = (*defaults, *given)
    elif head == "^":
        chosen = (*given, *defaults)
    else:
        chosen = given
    return tuple(dict.fromkeys(name for name in chosen if name in supported))


__all__ = ["Hop", "HostConfig", "Resolver", "parse_hop", "split_list", "words"]
