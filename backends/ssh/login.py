"""Authentication with the user's keys over an encrypted connection whose host key is checked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.ssh.lean_paramiko import paramiko
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from backends.ssh.host_config import HostConfig
    from backends.ssh.paramiko_keys import Credentials, KeyRing
    from backends.ssh.paramiko_wire import QuickTransport
    from backends.ssh.wire import Wire

_SHOWN = 4


def log_in(
    transport: QuickTransport, wire: Wire, config: HostConfig, ring: KeyRing, deadline: float
) -> None:
    """Offer the user's keys until the host takes one.

    Raises:
        LinkError: It takes none, wants more than a key, or went away.
    """
    credentials = ring.credentials(config)
    refused: list[str] = []
    for credential in credentials.usable:
        transport.auth_timeout = max(0.1, deadline - time.monotonic())
        try:
            further = transport.auth_publickey(config.user, credential.key)
        except paramiko.BadAuthenticationType as error:
            raise _no_keys_wanted(config, error.allowed_types) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if wire.expired or "timeout" in str(error).lower():
                raise _too_slow(config) from error
            if not isinstance(error, paramiko.AuthenticationException):
                raise _gone(config, error) from error
            refused.append(credential.name)
            if not transport.is_active():
                raise _refused(config, refused, credentials, cut=True) from error
        else:
            if further:
                raise _no_keys_wanted(config, further)
            ring.accepted(credential)
            return
    _without_key(transport, config, refused, credentials)


def _without_key(
    transport: QuickTransport, config: HostConfig, refused: list[str], credentials: Credentials
) -> None:
    # some hosts let anybody in; the others say by this which ways they do allow
    try:
        transport.auth_none(config.user)
    except paramiko.BadAuthenticationType as error:
        if "publickey" not in error.allowed_types:
            raise _no_keys_wanted(config, error.allowed_types) from error
        # Debian's own ssh_config asks for it everywhere; what counts is that the host offers it
        kerberos = config.gssapi and any("gssapi" in way for way in error.allowed_types)
        raise _refused(config, refused, credentials, kerberos=kerberos) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _refused(config, refused, credentials) from error


def _too_slow(config: HostConfig) -> LinkError:
    return LinkError(
        LinkFault.TIMEOUT,
        f"{config.name} took longer than {config.connect_timeout:g} s to let us in",
        "its authentication may wait for a directory service; raise ConnectTimeout",
    )


def _gone(config: HostConfig, error: Exception) -> LinkError:
    return LinkError(
        LinkFault.LOST, f"{config.name} closed the connection during authentication: {error}"
    )


def _no_keys_wanted(config: HostConfig, allowed: list[str]) -> LinkError:
    ways = ", ".join(allowed) or "nothing"
    return LinkError(
        LinkFault.AUTH,
        f"{config.name} does not let {config.user} in with a key alone: it wants {ways}",
        "log in once with ssh and a ControlMaster; its connection is then used here as well",
    )


def _refused(
    config: HostConfig,
    refused: list[str],
    credentials: Credentials,
    *,
    cut: bool = False,
    kerberos: bool = False,
) -> LinkError:
    complaints = "; ".join(credentials.complaints)
    hint = f"install your public key there: ssh-copy-id {config.target}"
    if kerberos:
        hint = "this host is set up for Kerberos, which needs the openssh transport"
    if not credentials.usable:
        told = f"there is no key to log in to {config.name} with"
        if complaints:
            return LinkError(LinkFault.CONFIG, f"{told}: {complaints}", _mend(credentials))
        return LinkError(LinkFault.AUTH, told, "make one: ssh-keygen -t ed25519, then ssh-copy-id")
    shown = ", ".join(refused[:_SHOWN])
    more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    told = f"{config.name} refuses the keys of {config.user}: {shown}{more}"
    if cut:
        told += "; it allows no further tries"
        hint = f"name the right key for {config.name}: IdentityFile and IdentitiesOnly yes"
    if complaints:
        told += f" ({complaints})"
    return LinkError(LinkFault.AUTH, told, hint)


def _mend(credentials: Credentials) -> str:
    for complaint in credentials.complaints:
        path = complaint.split(" ", 1)[0]
        if "too open" in complaint:
            return f"chmod 600 {path}"
        if "passphrase" in complaint:
            return f"ssh-add {path}"
    return ""
