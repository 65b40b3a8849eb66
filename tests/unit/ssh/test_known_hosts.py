"""known_hosts files, checked against ssh-keygen where it can say something."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from backends.ssh.known_hosts import HostKey, KnownHosts, Verdict, host_label

if TYPE_CHECKING:
    from pathlib import Path

ED, RSA = "ssh-ed25519", "ssh-rsa"


def key(seed: str, kind: str = ED) -> HostKey:
    # the blob names its type, as ssh-keygen insists
    blob = len(kind).to_bytes(4, "big") + kind.encode() + b"\0\0\0\x20" + seed.encode().ljust(32)
    return HostKey(kind, blob)


def line(names: str, one: HostKey, marker: str = "") -> str:
    return f"{marker} {names} {one.kind} {one.base64}".strip()


@pytest.fixture
def read(tmp_path: Path):
    def read(*lines: str) -> KnownHosts:
        path = tmp_path / "known_hosts"
        path.write_text("\n".join(lines) + "\n")
        return KnownHosts([path])

    return read


def test_plain_names_lists_and_ports(read):
    known = read("# comment", "", line("Alpha,10.0.0.1", key("a")), line("[beta]:2222", key("b")))
    for label, wanted in (
        (host_label("ALPHA", 22), ["a"]),
        (host_label("10.0.0.1", 0), ["a"]),
        (host_label("beta", 2222), ["b"]),
        (host_label("beta", 22), []),
        (host_label("alpha", 2222), []),
    ):
        assert [one.key for one in known.entries(label).keys] == [key(seed) for seed in wanted]
    assert known.entries("alpha").keys[0].where.endswith("known_hosts:3")


def test_patterns_and_exceptions(read):
    known = read(line("*.cluster,!bad.cluster,node?", key("a")))
    assert known.entries("good.cluster").keys
    assert known.entries("node7").keys
    assert not known.entries("bad.cluster").keys
    assert not known.entries("node17").keys


def test_hashed_names_as_ssh_keygen_makes_them(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text(line("alpha", key("a")) + "\n" + line("[beta]:2222", key("b")) + "\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "alpha" not in path.read_text()
    known = KnownHosts([path])
    assert [one.key for one in known.entries("alpha").keys] == [key("a")]
    assert [one.key for one in known.entries("[beta]:2222").keys] == [key("b")]
    assert not known.entries("gamma").keys


def test_broken_lines_are_skipped(read):
    known = read(
        "alpha",
        "alpha ssh-ed25519 not-base64!",
        "|1|broken ssh-ed25519 AAAA",
        "@what alpha ssh-ed25519 AAAA",
        line("alpha", key("a")) + " a comment",
    )
    assert [one.line for one in known.entries("alpha").keys] == [5]


def test_files_in_order_and_missing_ones(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(line("alpha", key("r", RSA)) + "\n")
    second.write_text(line("alpha", key("e")) + "\n")
    known = KnownHosts([tmp_path / "missing", first, second])
    assert known.entries("alpha").kinds == (RSA, ED)


def test_verdicts(read):
    known = read(
        line("alpha", key("a")),
        line("alpha", key("other-of-alpha")),
        line("*", key("stolen"), "@revoked"),
        line("*.org", key("ca"), "@cert-authority"),
    )
    alpha = known.entries("alpha")
    assert alpha.judge(key("a")).verdict is Verdict.KNOWN
    changed = alpha.judge(key("new"))
    assert changed.verdict is Verdict.CHANGED
    assert [one.line for one in changed.because] == [1, 2]
    assert alpha.judge(key("new", RSA)).verdict is Verdict.CHANGED
    assert alpha.judge(key("stolen")).verdict is Verdict.REVOKED
    assert known.entries("beta").judge(key("new")).verdict is Verdict.UNKNOWN
    assert known.entries("beta").judge(key("stolen")).verdict is Verdict.REVOKED
    assert known.entries("x.org").authorities
    assert not alpha.authorities


def test_the_fingerprint_is_ssh_keygens(tmp_path):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    kind, text = path.with_suffix(".pub").read_text().split()[:2]
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{path}.pub"], capture_output=True, text=True, check=True
    )
    one = HostKey(kind, base64.b64decode(text))
    assert one.fingerprint == shown.stdout.split()[1]
    assert one.base64 == text
