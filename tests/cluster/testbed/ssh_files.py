"""Keys, sshd's and ssh's configuration, and what the hosts know each other by."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .bed import LOGIN, LOGIN2, SILENT
from .network import SECOND_SSH_PORT, SSH_PORT, address_table
from .processes import run

if TYPE_CHECKING:
    from .bed import Bed, Options

PASSPHRASE = "correct horse battery staple"
"""Of `id_encrypted`."""
USER = "ada"
"""An account besides root; its home is shared as well."""
_USER_ID = 7101
_USUAL_MAX_STARTUPS = "200:30:400"

_SSHD = """\
Port {port}
Port {second_port}
ListenAddress 0.0.0.0
AddressFamily inet
HostKey {key}
PidFile {pid_file}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
AuthorizedKeysFile {authorized}
StrictModes no
AcceptEnv LANG LC_* TB_*
MaxStartups {max_startups}
MaxSessions 100
Subsystem sftp internal-sftp
# the default, sntrup761x25519, adds about 60 ms to each login
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
"""

# names, never addresses: outside the bed they resolve to nothing, so that a test started in the
# wrong place sends no packet by this machine's default route
_SSH = """\
Host {silent}
  ConnectTimeout 5
Host *
  User root
  IdentityFile {identity}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  HostKeyAlgorithms ssh-ed25519
  BatchMode yes
  ConnectTimeout 30
  LogLevel ERROR
"""


def write_names(bed: Bed, options: Options) -> None:
    """What names, users and resolvers are on every host."""
    table = address_table(options)
    lines = ["127.0.0.1 localhost", *(f"{ip} {name}" for name, ip in table.items())]
    # torch looks its peers up by mapped addresses and complains of those without a name; under
    # another name, because clients would try a second address of `node1` as well
    lines += [f"::ffff:{ip} {name}.{bed.name}" for name, ip in table.items()]
    (bed.etc / "hosts").write_text("\n".join(lines) + "\n")
    (bed.etc / "resolv.conf").write_text("")
    accounts = [
        f"root:x:0:0:root:{bed.home}:/bin/bash" if line.startswith("root:") else line
        for line in Path("/etc/passwd").read_text().splitlines()
    ]
    home = bed.run / f"home-{USER}"
    accounts.append(f"{USER}:x:{_USER_ID}:{_USER_ID}::{home}:/bin/bash")
    (bed.etc / "passwd").write_text("\n".join(accounts) + "\n")
    home.mkdir(exist_ok=True)
    os.chown(home, _USER_ID, _USER_ID)


def write_keys(bed: Bed, options: Options) -> None:
    """Host keys, user keys and `known_hosts`."""
    etc = bed.etc
    for name in ("id_ed25519", "id_refused", "host_wrong", "host_shared"):
        make_key(etc / name)
    make_key(etc / "id_encrypted", PASSPHRASE)
    accepted = [(etc / f"{name}.pub").read_text() for name in ("id_ed25519", "id_encrypted")]
    (etc / "authorized_keys").write_text("".join(accepted))
    (etc / "authorized_none").write_text("")
    known = []
    for name, ip in address_table(options).items():
        key = host_key(bed, name)
        if options.large:  # 5 ms each otherwise
            shutil.copy2(etc / "host_shared", key)
            shutil.copy2(etc / "host_shared.pub", public(key))
        else:
            make_key(key)
        if name != "stranger":
            kind, blob = public(key).read_text().split()[:2]
            known.append(f"{name},{ip},[{name}]:{SECOND_SSH_PORT} {kind} {blob}\n")
    (etc / "known_hosts").write_text("".join(known))


def write_configuration(bed: Bed, options: Options) -> None:
    """sshd's of every host, ssh's, and the lists of hosts that launchers read."""
    for name in address_table(options):
        write_sshd(bed, name)
    (bed.etc / "ssh_config").write_text(_ssh(bed.etc / "id_ed25519", bed.etc / "known_hosts"))
    reset_user_files(bed)
    slots = options.gpus or 2
    (bed.etc / "hostfile").write_text("".join(f"{n} slots={slots}\n" for n in options.nodes))
    (bed.etc / "hostfile.mpich").write_text("".join(f"{n}:{slots}\n" for n in options.nodes))


def write_sshd(bed: Bed, name: str, max_startups: str = _USUAL_MAX_STARTUPS) -> None:
    """One host's sshd_config."""
    own = bed.of_host(name)
    key = bed.etc / "host_wrong" if name == "wronghk" else host_key(bed, name)
    authorized = "authorized_none" if name == "badkey" else "authorized_keys"
    text = _SSHD.format(
        port=SSH_PORT,
        second_port=SECOND_SSH_PORT,
        key=key,
        pid_file=pid_file(bed, name),
        authorized=bed.etc / authorized,
        max_startups=max_startups,
    )
    (own / "sshd_config").write_text(text)


def pid_file(bed: Bed, name: str) -> Path:
    """Where a host's sshd writes its number, once it listens; the login node has no /run."""
    return bed.of_host(name) / "sshd.pid" if name == LOGIN else Path("/run/sshd.pid")


def reset_user_files(bed: Bed) -> None:
    """Give root's shared home the `.ssh` that a user of this cluster would have."""
    folder = bed.home / ".ssh"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for name in ("id_ed25519", "id_ed25519.pub", "known_hosts"):
        shutil.copy2(bed.etc / name, folder / name)
    (folder / "config").write_text(_ssh("~/.ssh/id_ed25519", "~/.ssh/known_hosts"))


def _ssh(identity: str | Path, known_hosts: str | Path) -> str:
    return _SSH.format(silent=" ".join(SILENT), identity=identity, known_hosts=known_hosts)


def host_key(bed: Bed, name: str) -> Path:
    """The private host key that a host should show."""
    return bed.of_host(name) / "ssh_host_ed25519_key"


def public(key: Path) -> Path:
    """The public half's file."""
    return key.with_name(key.name + ".pub")


def make_key(path: Path, passphrase: str = "") -> None:
    """A new key pair, unless it is there."""
    if not path.exists():
        words = ["-q", "-t", "ed25519", "-a", "4", "-C", path.name, "-N", passphrase]
        run(["ssh-keygen", *words, "-f", str(path)])


def write_host_flags(bed: Bed, options: Options) -> None:
    """Each host's folder, name, and which daemons its init starts."""
    for name in address_table(options):
        own = bed.of_host(name)
        for folder in ("tmp", "slurmd"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        (own / "tmp").chmod(0o1777)
        (own / "hostname").write_text(name + "\n")
        flags = {
            "nosshd": name in ("sshdown", "tarpit"),
            "tarpit": name == "tarpit",
            "slurm": options.slurm and name in options.nodes,
            "munge": options.slurm and name in (*options.nodes, LOGIN2),
        }
        for flag in (flag for flag, wanted in flags.items() if wanted):
            (own / flag).touch()
