"""Commands on real hosts: what goes in, what comes out, and how they end."""

from __future__ import annotations

import hashlib
import os
import threading

import psutil
import pytest

from backends.ssh.link import LinkError, LinkFault
from rankdeck.nodes.node import Node
from tests.backends.ssh_transport.conftest import run, until


def test_streams_and_status(site, make, kind):
    site.serve("alpha")
    command = "cat; printf 'to stderr\\n' >&2; exit 3"
    assert run(make(kind), "alpha", command, b"input \0\xff\n") == (
        b"input \0\xff\n",
        "to stderr\n",
        3,
    )


def test_the_command_reaches_the_shell_as_written(site, make, kind):
    site.serve("alpha")
    command = (
        "printf '%s|' \"a  b\" 'c\"d' $((1+1)) '!x' '\\n'\nprintf '%s' \"$(echo '#no')\" # end"
    )
    output, errors, status = run(make(kind), "alpha", command)
    assert (output, errors, status) == (b'a  b|c"d|2|!x|\\n|#no', "", 0)


def test_the_command_is_in_no_process_list_of_the_client(site, make):
    site.serve("alpha")
    link = make("openssh").connect(Node(name="alpha"))
    stream = link.exec("echo up; cat; : very-secret-word")
    assert stream.read() == b"up\n"
    programs = [child for child in psutil.Process().children() if child.name() == "ssh"]
    listing = "".join(word for program in programs for word in program.cmdline())
    assert "BatchMode=yes" in listing
    assert "very-secret-word" not in listing
    link.close()


def test_ten_megabytes_each_way(site, make, kind):
    site.serve("alpha")
    data = os.urandom(10 << 20)
    link = make(kind).connect(Node(name="alpha"))
    stream = link.exec("cat")
    feeder = threading.Thread(target=lambda: (stream.write(data), stream.close_input()))
    feeder.start()
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read():
        digest.update(chunk)
        size += len(chunk)
    feeder.join()
    assert (size, digest.digest()) == (len(data), hashlib.sha256(data).digest())
    assert stream.exit_status() == 0
    link.close()


def test_much_on_standard_error_does_not_stop_the_output(site, make, kind):
    site.serve("alpha")
    # more than the window that both streams share
    command = "head -c 6000000 /dev/zero | tr '\\0' e >&2; echo end >&2; echo done"
    output, errors, status = run(make(kind), "alpha", command)
    assert (output, status) == (b"done\n", 0)
    assert errors.endswith("eeee" + "end\n")
    assert len(errors) <= 65536


def test_several_commands_at_once_on_one_link(site, make, kind):
    site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    streams = [link.exec("read x; echo $x") for _ in range(4)]
    for number, stream in reversed(list(enumerate(streams))):
        stream.write(f"{number}\n".encode())
    assert [stream.read() for stream in streams] == [b"0\n", b"1\n", b"2\n", b"3\n"]
    link.close()


def test_a_remote_255_is_a_status_and_no_fault(site, make, kind):
    site.serve("alpha")
    assert run(make(kind), "alpha", "echo x; exit 255") == (b"x\n", "", 255)


def test_a_command_that_is_killed_ends_the_stream(site, make, kind):
    site.serve("alpha")
    output, _, status = run(make(kind), "alpha", "echo x; kill -9 $$")
    assert output == b"x\n"
    assert status in (None, 137)


def test_writing_to_a_command_that_has_ended_is_told(site, make, kind):
    site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    stream = link.exec("exit 4")
    assert stream.read() == b""

    def write_on() -> None:
        for _ in range(1000):
            stream.write(b"x" * 65536)

    with pytest.raises(LinkError) as told:
        write_on()
    assert "alpha" in told.value.message
    assert stream.exit_status() == 4
    link.close()


def test_closing_from_another_thread_ends_a_read(site, make, kind):
    site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    stream = link.exec("echo up; sleep 600")
    assert stream.read() == b"up\n"
    threading.Timer(0.1, link.close).start()
    with pytest.raises(LinkError) as told:
        stream.read()
    assert told.value.fault is LinkFault.LOST
    assert "alpha" in told.value.message


def test_closing_leaves_no_session_behind(site, make, kind):
    server = site.serve("alpha")
    transport = make(kind)
    link = transport.connect(Node(name="alpha"))
    stream = link.exec("echo up; cat")
    assert stream.read() == b"up\n"
    assert server.sessions()
    link.close()
    until(lambda: not server.sessions())


def test_the_address_of_the_peer(site, make, kind):
    server = site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    assert (link.host, link.peer_address) == ("alpha", server.address)
    link.close()


def test_a_node_brings_its_own_address_user_and_port(site, make, kind):
    server = site.serve("alpha")
    node = Node(name="first", address=server.address, port=server.port, user=os.environ["LOGNAME"])
    assert run(make(kind), node, "echo $LOGNAME")[0].decode().strip() == os.environ["LOGNAME"]


@pytest.fixture(autouse=True)
def login_name(monkeypatch):
    import pwd

    monkeypatch.setenv("LOGNAME", pwd.getpwuid(os.getuid()).pw_name)
