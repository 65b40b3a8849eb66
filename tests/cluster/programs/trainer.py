"""A stand-in for a training program, standard library only: what a launcher sees, without torch.

Rank 0 listens on MASTER_PORT and every other rank connects to MASTER_ADDR:MASTER_PORT, as torch
would, so a run over several hosts proves that the address is one that each of them reaches.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time

RANK = int(os.environ.get("RANK", "0"))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", "1"))


def main():
    options = parse()
    signals = Signals(options)
    say(f"rank {RANK} of {WORLD_SIZE} on {socket.gethostname()} pid {os.getpid()}")
    peers = [] if options.alone or WORLD_SIZE == 1 else meet(options.patience)
    number = 0
    for step in range(1, options.steps + 1):
        if step == options.wait_at:
            wait_for(options.wait_for)
        if step == options.fail_at and RANK in options.fail_rank:
            fail(options.fail_how)
        for _ in range(options.lines):
            number += 1
            say(f"line {number} of rank {RANK} ".ljust(options.line_bytes - 1, "x"))
        pause(options.step_seconds)
        if options.lockstep:
            agree(peers, step)
        say(f"step {step}/{options.steps} loss={1.0 / step:.4f}")
        signals.act(step)
        if options.until and os.path.exists(options.until):
            break
    if peers:
        agree(peers, options.steps + 1)
    say(f"done rank {RANK}, {number} lines")


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--step-seconds", type=float, default=0.05)
    parser.add_argument("--until", help="take no further step when this file is there")
    parser.add_argument("--lines", type=int, default=0, help="numbered lines in each step")
    parser.add_argument("--line-bytes", type=int, default=80, help="length of each, its end too")
    parser.add_argument("--alone", action="store_true", help="do not connect to the other ranks")
    parser.add_argument("--lockstep", action="store_true", help="wait for all ranks in each step")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to meet the others")
    parser.add_argument("--wait-at", type=int, default=0, help="the step in which to wait")
    parser.add_argument("--wait-for", help="the file that ends the waiting")
    parser.add_argument("--fail-at", type=int, default=0, help="the step in which to fail")
    parser.add_argument("--fail-rank", type=int, action="append", default=[])
    parser.add_argument(
        "--fail-how", default="exception", help="exception, exit:CODE, signal:NAME or hang"
    )
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument(
        "--checkpoint", help="written on USR1, and on TERM before leaving; {rank} is replaced"
    )
    return parser.parse_args()


def say(text):
    # one write for the whole line: lines of ranks that share a file must not mix
    os.write(1, (text + "\n").encode())


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.05)


def pause(seconds):
    # a signal handler may run meanwhile, and the step still takes its time
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(left)


def meet(patience):
    """Connect rank 0 with every other rank; returns the connections of this rank."""
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    deadline = time.monotonic() + patience
    if RANK == 0:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", address[1]))
        listener.listen(WORLD_SIZE)
        listener.settimeout(patience)
        peers = []
        while len(peers) < WORLD_SIZE - 1:
            peer, _ = listener.accept()
            peers.append(peer)
        listener.close()
        found = sorted(int(receive(peer)) for peer in peers)
        say(f"rank 0 met ranks {','.join(map(str, found))} on port {address[1]}")
        for peer in peers:
            send(peer, "welcome")
        return peers
    while True:
        try:
            peer = socket.create_connection(address, timeout=5.0)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"rank {RANK} cannot reach {address[0]}:{address[1]}: {error}")
            time.sleep(0.05)
    peer.settimeout(None)
    send(peer, str(RANK))
    receive(peer)
    say(f"rank {RANK} reached {address[0]} as {peer.getpeername()[0]}")
    return [peer]


def agree(peers, step):
    """Wait until every rank is at this step; the end of a peer is an error in gloo's words."""
    if RANK == 0:
        for peer in peers:
            receive(peer)
        for peer in peers:
            send(peer, str(step))
    else:
        send(peers[0], str(step))
        receive(peers[0])


def send(peer, text):
    try:
        peer.sendall((text + "\n").encode())
    except OSError as error:
        raise closed() from error


def receive(peer):
    data = b""
    while not data.endswith(b"\n"):
        try:
            more = peer.recv(1)
        except OSError as error:
            # what the peer had not read when it ended makes its end a reset
            raise closed() from error
        if not more:
            raise closed()
        data += more
    return data.decode().strip()


def closed():
    return ConnectionError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.77.0.1]")


def fail(how):
    kind, _, detail = how.partition(":")
    say(f"rank {RANK} fails: {how}")
    if kind == "exit":
        os._exit(int(detail))
    if kind == "signal":
        number = getattr(signal, detail if detail.startswith("SIG") else f"SIG{detail}")
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
    if kind == "hang":
        while True:
            signal.pause()
    raise ValueError(f"rank {RANK} was told to fail")


class Signals:
    """What this program does on USR1 and TERM; carried out between steps."""

    def __init__(self, options):
        self.path = options.checkpoint
        self.wanted = []
        if options.ignore_term:
            signal.signal(signal.SIGTERM, lambda *_: say(f"rank {RANK} ignores TERM"))
        elif self.path:
            signal.signal(signal.SIGTERM, self.note)
        if self.path:
            signal.signal(signal.SIGUSR1, self.note)

    def note(self, number, _frame):
        self.wanted.append(number)

    def act(self, step):
        while self.wanted:
            number = self.wanted.pop(0)
            path = self.path.replace("{rank}", str(RANK))
            with open(path + ".new", "w") as file:
                file.write(f"step {step}\n")
            os.replace(path + ".new", path)
            say(f"rank {RANK} wrote its checkpoint at step {step}")
            if number == signal.SIGTERM:
                sys.exit(0)


if __name__ == "__main__":
    main()
