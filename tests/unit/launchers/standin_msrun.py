#!/usr/bin/env python3
"""A stand-in for MindSpore's `msrun`, which cannot be installed here: what it is known to do.

Starts a scheduler on the master node and the node's workers, each in a session of its own with
the same script; a worker's output goes to `worker_<rank>.log`. Nothing of MindSpore is in it.
"""

import argparse
import os
import signal
import subprocess
import sys


def literal(text):
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError("must be True or False")
    return text == "True"


parser = argparse.ArgumentParser(prog="msrun")
parser.add_argument("--worker_num", type=int, default=8)
parser.add_argument("--local_worker_num", type=int, default=8)
parser.add_argument("--master_addr", default="127.0.0.1")
parser.add_argument("--master_port", type=int, default=8118)
parser.add_argument("--node_rank", type=int, default=-1)
parser.add_argument("--log_dir", default="")
parser.add_argument("--join", type=literal, default=False)
parser.add_argument("--cluster_time_out", type=int, default=600)
parser.add_argument("script")
parser.add_argument("args", nargs=argparse.REMAINDER)
given = parser.parse_args()
logs = given.log_dir or os.getcwd()
os.makedirs(logs, mode=0o700, exist_ok=True)


def start(name, **own):
    env = dict(os.environ, MS_SCHED_HOST=given.master_addr, MS_SCHED_PORT=str(given.master_port))
    env.update(MS_WORKER_NUM=str(given.worker_num), RANK_SIZE=str(given.worker_num))
    env.update(MS_TOPO_TIMEOUT=str(given.cluster_time_out), **own)
    with open(os.path.join(logs, name + ".log"), "wb") as log:
        return subprocess.Popen(
            ["python", given.script, *given.args], env=env, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


processes = []
if given.node_rank <= 0:
    processes.append(start("scheduler", MS_ROLE="MS_SCHED", RANK_ID="0"))
for local in range(given.local_worker_num):
    rank = max(given.node_rank, 0) * given.local_worker_num + local
    processes.append(
        start(f"worker_{rank}", MS_ROLE="MS_WORKER", RANK_ID=str(rank), DEVICE_ID=str(local),
              MS_NODE_ID=str(rank))
    )  # fmt: skip
if not given.join:
    sys.exit(0)


def interrupted(number, frame):
    for process in processes:
        process.kill()
    sys.exit(0)


signal.signal(signal.SIGINT, interrupted)
failed = [process for process in processes if process.wait() != 0]
sys.exit(1 if failed else 0)
