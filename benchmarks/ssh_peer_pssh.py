"""parallel-ssh as its users call it; run by a Python that has it."""

import sys

from pssh.clients import ParallelSSHClient


def main() -> None:
    key, port, command, *names = sys.argv[1:]
    client = ParallelSSHClient(names, user="root", pkey=key, port=int(port), pool_size=len(names))
    for output in client.run_command(command):
        for line in output.stdout:
            sys.stdout.write(f"{output.host}: {line}\n")


if __name__ == "__main__":
    main()
