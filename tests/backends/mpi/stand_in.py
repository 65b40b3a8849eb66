"""Stands in for Open MPI's mpirun on one machine: its options, its ssh, its ways to end.

`STAND_IN` in its environment makes it behave badly: `hang` (starts nothing), `slow` (begins when
the file `STAND_IN_GATE` is there).
"""

import os
import re
import signal
import subprocess
import sys
import time

arguments = sys.argv[1:]
if "--version" in arguments:
    print("mpirun (Open MPI) 4.1.4")
    sys.exit(0)
conduct = os.environ.get("STAND_IN", "")
while conduct == "hang":
    time.sleep(0.1)
while conduct == "slow" and not os.path.exists(os.environ["STAND_IN_GATE"]):
    time.sleep(0.02)
agent = arguments[arguments.index("plm_rsh_agent") + 1].split(" ")
(line,) = " ".join(arguments).split(" : ")
place = arguments.index("--host") + 1
per_node = int(re.fullmatch(r"ppr:(\d+):node", arguments[place + 4]).group(1))
command = arguments[place + 5 :]
hosts = [word.partition(":")[0] for word in arguments[place].split(",")]
if any(subprocess.call([*agent, host, "orted"]) for host in hosts):
    print("-" * 70, "ORTE was unable to reliably start one or more daemons.", sep="\n")
    sys.exit(255)
processes = []


def end(number, frame):
    for process in processes:
        process.terminate()
    time.sleep(1.0)
    for process in processes:
        process.kill()
    sys.exit(1)


# before there is anybody who could tell that this one is there
signal.signal(signal.SIGTERM, end)
for rank in range(per_node * len(hosts)):
    own = {
        "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank % per_node),
        "OMPI_UNIVERSE_SIZE": "9",
    }
    processes.append(subprocess.Popen(command, env={**os.environ, **own}, process_group=0))

for process in processes:
    process.wait()
