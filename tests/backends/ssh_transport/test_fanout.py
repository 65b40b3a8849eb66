"""One command on many hosts."""

from __future__ import annotations

import os

from backends.ssh.fanout import LinkPool, fan_out
from backends.ssh.link import LinkFault
from rankdeck.nodes.node import Node
from tests.backends.ssh_transport.conftest import until

HOSTS = ("alpha", "beta", "gamma")


def nodes(*names: str) -> list[Node]:
    return [Node(name=name) for name in names or HOSTS]


def serve(site) -> None:
    for name in HOSTS:
        site.serve(name)


def test_every_host_has_one_result(site, make, kind):
    serve(site)
    site.servers["beta"].stop()
    command = "cat; echo no >&2; exit 2"
    results = {
        one.node.name: one for one in fan_out(make(kind), nodes(), command, input=b"payload")
    }
    assert sorted(results) == sorted(HOSTS)
    assert results["beta"].trouble.fault is LinkFault.REFUSED
    for name in ("alpha", "gamma"):
        one = results[name]
        assert (one.output, one.error_text, one.status) == (b"payload", "no\n", 2)
        assert not one.ok


def test_results_come_as_they_are(site, make):
    serve(site)
    gate = site.folder / "gate"
    command = f"case $SSH_CONNECTION in *{site.servers['alpha'].address}*) while ! [ -e {gate} ]; "
    command += "do sleep 0.05; done;; esac"
    order = []
    for one in fan_out(make("paramiko"), nodes(), command):
        order.append(one.node.name)
        if len(order) == 2:
            gate.touch()
    assert order[-1] == "alpha"


def test_much_input_to_a_command_that_answers_as_much(site, make, kind):
    site.serve("alpha")
    data = b"0123456789abcde\n" * (8 << 16)
    (one,) = fan_out(make(kind), nodes("alpha"), "cat", input=data)
    assert one.output == data


def test_input_that_nobody_reads(site, make, kind):
    site.serve("alpha")
    (one,) = fan_out(make(kind), nodes("alpha"), "echo deaf", input=b"x" * (8 << 20))
    assert (one.output, one.status) == (b"deaf\n", 0)


def test_links_are_kept_in_a_pool(site, make):
    serve(site)
    transport = make("paramiko")
    pool = LinkPool()
    assert all(one.ok for one in fan_out(transport, nodes(), "true", pool=pool))
    before = {name: site.servers[name].sessions() for name in HOSTS}
    assert all(before.values())
    assert all(one.ok for one in fan_out(transport, nodes(), "true", pool=pool))
    assert {name: site.servers[name].sessions() for name in HOSTS} == before
    pool.close()
    until(lambda: not any(site.servers[name].sessions() for name in HOSTS))


def test_a_broken_link_leaves_the_pool(site, make):
    server = site.serve("alpha")
    transport = make("paramiko")
    pool = LinkPool()
    assert all(one.ok for one in fan_out(transport, nodes("alpha"), "true", pool=pool))
    for pid in server.sessions():
        os.kill(pid, 9)
    until(lambda: not server.sessions())
    assert all(one.ok for one in fan_out(transport, nodes("alpha"), "true", pool=pool))
    pool.close()


def test_leaving_early_ends_what_is_running(site, make, kind):
    serve(site)
    quick = site.servers["alpha"].address
    command = f"case $SSH_CONNECTION in *{quick}*) ;; *) echo up; sleep 600;; esac"
    results = fan_out(make(kind), nodes(), command)
    assert next(results).node.name == "alpha"
    results.close()
    until(lambda: not any(site.servers[name].sessions() for name in HOSTS))
