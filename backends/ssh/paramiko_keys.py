"""What paramiko signs with: the user's key files, unlocked once for all hosts, and agents."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from backends.ssh.agent import AgentClient, AgentError
from backends.ssh.keys import (
    CERTIFICATE_SUFFIX,
    KeyFile,
    certified_blob,
    read_certificate,
    read_key_file,
)
from backends.ssh.lean_paramiko import paramiko

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from backends.ssh.host_config import HostConfig

_AGENT_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}


@dataclass(frozen=True, slots=True)
class Credential:
    """A key to offer to a host."""

    name: str
    """What it is called in messages."""
    blob: bytes
    """The public key, or the certificate that is shown instead of it."""
    key: paramiko.PKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys for one host, in the order to offer them, and why others cannot be used."""

    usable: tuple[Credential, ...]
    complaints: tuple[str, ...]


class AgentSigner(paramiko.PKey):
    """A key whose private half an agent holds."""

    def __init__(self, agent: AgentClient, kind: str, blob: bytes) -> None:
        self.public_blob: paramiko.pkey.PublicBlob | None = None
        self._agent = agent
        self._kind = kind
        self._blob = blob

    def get_name(self) -> str:
        """The type of the key."""
        return self._kind

    def asbytes(self) -> bytes:
        """The public key."""
        return self._blob

    def can_sign(self) -> bool:
        """The agent can."""
        return True

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Any:
        """The agent's signature."""
        plain = (algorithm or "").removesuffix(CERTIFICATE_SUFFIX)
        try:
            return self._agent.sign(self._blob, data, _AGENT_FLAGS.get(plain, 0))
        except AgentError as error:
            raise paramiko.AuthenticationException(str(error)) from error


class KeyRing:
    """Every key that has been read, and every agent that has been asked."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[KeyFile | None, paramiko.PKey | None, str]] = {}
        self._agents: dict[str, AgentClient] = {}
        self._accepted: dict[bytes, None] = {}

    def credentials(self, config: HostConfig) -> Credentials:
        """The keys to offer: what other hosts took first, then in ssh's order."""
        complaints: list[str] = []
        held, agent = self._held(config, complaints)
        first: list[Credential] = []
        last: list[Credential] = []
        for path in config.identity_files:
            file, key, complaint = self._file(path, held)
            if file is None and not config.default_identities:
                complaints.append(f"{path} does not exist")
            elif file is not None and file.blob in held and agent is not None:
                signer = AgentSigner(agent, file.kind, file.blob)
                first.extend(_with_certificates(f"{path} (agent)", signer, path, config))
            elif key is not None:
                last.extend(_with_certificates(str(path), key, path, config))
            elif complaint:
                complaints.append(complaint)
        taken = {credential.blob for credential in first}
        if not config.identities_only and agent is not None:
            first.extend(
                Credential(f"{comment or kind} (agent)", blob, AgentSigner(agent, kind, blob))
                for blob, (kind, comment) in held.items()
                if blob not in taken
            )
        offered = (*first, *last)
        known = [one for one in offered if one.blob in self._accepted]
        return Credentials(
            tuple(known) + tuple(one for one in offered if one.blob not in self._accepted),
            tuple(complaints),
        )

    def accepted(self, credential: Credential) -> None:
        """A host has taken this one; others are likely to."""
        self._accepted[credential.blob] = None

    def close(self) -> None:
        """Let go of the agents and forget the passphrases."""
        with self._lock:
            for agent in self._agents.values():
                agent.close()
            self._agents.clear()
            self._secrets.clear()

    def _held(
        self, config: HostConfig, complaints: list[str]
    ) -> tuple[dict[bytes, tuple[str, str]], AgentClient | None]:
        if not config.identity_agent:
            return {}, None
        with self._lock:
            agent = self._agents.setdefault(
                config.identity_agent, AgentClient(config.identity_agent)
            )
        try:
            identities = agent.identities()
        except AgentError as error:
            complaints.append(str(error))
            return {}, None
        return {one.blob: (one.kind, one.comment) for one in identities}, agent

    def _file(
        self, path: Path, held: Mapping[bytes, object]
    ) -> tuple[KeyFile | None, paramiko.PKey | None, str]:
        with self._lock:
            if path not in self._files:
                self._files[path] = self._load(path, held)
            return self._files[path]

    def _load(
        self, path: Path, held: Mapping[bytes, object]
    ) -> tuple[KeyFile | None, paramiko.PKey | None, str]:
        file = read_key_file(path)
        if file is None or not file.private or file.blob in held:
            return file, None, ""
        if file.complaint:
            return file, None, f"{path} {file.complaint}"
        if file.needs_device:
            return file, None, f"{path} is on a security key, which needs the openssh transport"
        passphrase = self._secrets.get(str(path))
        if file.encrypted and not passphrase:
            return file, None, f"{path} is locked with a passphrase and no agent holds it"
        try:
            return file, load_private_key(path.read_bytes(), passphrase), ""
        except (ValueError, TypeError, UnsupportedAlgorithm, OSError) as error:
            told = "the passphrase is wrong" if file.encrypted else str(error)
            return file, None, f"{path} cannot be used: {told}"


def load_private_key(data: bytes, passphrase: str | None) -> paramiko.PKey:
    """A key from the contents of its file, in whatever format.

    Raises:
        ValueError: The passphrase is wrong, or the key is damaged or of a kind not known.
    """
    password = passphrase.encode() if passphrase else None
    load = (
        serialization.load_ssh_private_key
        if b"BEGIN OPENSSH" in data
        else serialization.load_pem_private_key
    )
    key = load(data, password if b"ENCRYPTED" in data or load is _SSH else None)
    if isinstance(key, RSAPrivateKey):
        return paramiko.RSAKey(key=key)
    if isinstance(key, EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(key, key.public_key()))
    if isinstance(key, Ed25519PrivateKey):
        plain = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        return paramiko.Ed25519Key(file_obj=StringIO(plain.decode()))
    raise ValueError(f"keys of the kind {type(key).__name__} are not supported")


_SSH = serialization.load_ssh_private_key


def _with_certificates(
    name: str, key: paramiko.PKey, path: Path, config: HostConfig
) -> Iterable[Credential]:
    plain = key.asbytes()
    for file in (path.with_name(path.name + "-cert.pub"), *config.certificate_files):
        found = read_certificate(file)
        if found and certified_blob(*found) == plain:
            yield Credential(f"{name} with {file.name}", found[1], _certified(key, *found))
    yield Credential(name, plain, key)


def _certified(key: paramiko.PKey, kind: str, blob: bytes) -> paramiko.PKey:
    # a copy: the certificate is shown instead of the key, and the plain key is offered as well
    from copy import copy

    twin: Any = copy(key)
    twin.public_blob = paramiko.pkey.PublicBlob(kind, blob)
    certified: paramiko.PKey = twin
    return certified
