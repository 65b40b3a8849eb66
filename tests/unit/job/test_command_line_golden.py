"""A table of real-looking lines and the jobs they are: every field set, and how many notes."""

# ruff: noqa: E501 - the lines are as people paste them

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rankdeck.job.command_line import read_command
from rankdeck.job.dump import draft_to_yaml
from rankdeck.job.load import parse_job_yaml

GOLDEN: list[tuple[str, dict[str, Any], int]] = [
    (
        "torchrun --nproc_per_node=4 train.py --lr 1e-4",
        {
            "entry": "train.py",
            "args": ("--lr", "1e-4"),
            "launcher": "torchrun",
            "nproc_per_node": 4,
        },
        0,
    ),
    (
        "torchrun --nnodes=2 --nproc-per-node 8 --node_rank=$NODE_RANK --master_addr=10.0.0.1 --master_port=29500 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nnodes": 2,
            "nproc_per_node": 8,
            "master_addr": "10.0.0.1",
            "master_port": 29500,
        },
        1,
    ),
    (
        "torchrun --standalone --nproc-per-node=gpu train.py > out.log 2>&1 &",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": "gpu"},
        3,
    ),
    (
        "torchrun --nnodes=1:4 --nproc_per_node=8 --max_restarts=3 --rdzv_id=job1 --rdzv_backend=c10d --rdzv_endpoint=host1:29400 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nnodes": 4,
            "nproc_per_node": 8,
            "master_addr": "host1",
            "master_port": 29400,
            "max_restarts": 3,
        },
        4,
    ),
    (
        "torchrun --nproc 4 -m my.pkg.train --lr 1",
        {
            "entry": "python",
            "args": ("-u", "-m", "my.pkg.train", "--lr", "1"),
            "launcher": "direct",
            "nproc_per_node": 4,
        },
        1,
    ),
    (
        "torchrun --nproc-per-node 2 --no-python ./run.sh a",
        {"entry": "./run.sh", "args": ("a",), "launcher": "direct", "nproc_per_node": 2},
        0,
    ),
    (
        "torchrun --nproc_per_node=$(nvidia-smi -L | wc -l) train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": "gpu"},
        1,
    ),
    (
        "torchrun --nproc_per_node 2 -- train.py -- --x",
        {"entry": "train.py", "args": ("--", "--x"), "launcher": "torchrun", "nproc_per_node": 2},
        0,
    ),
    (
        "torchrun --nnodes $SLURM_NNODES --nproc_per_node auto --rdzv-endpoint=localhost:0 --rdzv-conf timeout=60 train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": "auto"},
        2,
    ),
    (
        "torchrun --nproc_per_node 8 --log-dir /tmp/l --redirects 3 --tee 3 -r 1 --shutdown-timeout 60 --monitor-interval 5 train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": 8, "grace": "60"},
        5,
    ),
    (
        "torchrun --nnodes 2 --nproc_per_node 4 --rdzv-endpoint [fe80::1]:29400 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nnodes": 2,
            "nproc_per_node": 4,
            "master_addr": "fe80::1",
            "master_port": 29400,
        },
        1,
    ),
    (
        "env A=b OMP_NUM_THREADS=4 torchrun --nproc-per-node=${NPROC:-4} train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "nproc_per_node": 4,
            "env": {"A": "b", "OMP_NUM_THREADS": "4"},
        },
        1,
    ),
    (
        r"""GPUS=8
torchrun --nproc_per_node=$GPUS train.py --out $OUT""",
        {
            "entry": "train.py",
            "args": ("--out", "$OUT"),
            "launcher": "torchrun",
            "nproc_per_node": 8,
        },
        1,
    ),
    (
        "NCCL_DEBUG=INFO CUDA_VISIBLE_DEVICES=0,1 WORLD_SIZE=2 nohup torchrun --nproc_per_node 2 a.py *.json &> log &",
        {
            "entry": "a.py",
            "args": ("*.json",),
            "launcher": "torchrun",
            "nproc_per_node": 2,
            "env": {"NCCL_DEBUG": "INFO", "CUDA_VISIBLE_DEVICES": "0,1"},
        },
        4,
    ),
    (
        "cd /data/proj && source .venv/bin/activate && torchrun --nproc_per_node 2 train.py",
        {
            "entry": "train.py",
            "project": "/data/proj",
            "launcher": "torchrun",
            "python": "/data/proj/.venv/bin/python",
            "nproc_per_node": 2,
            "setup": "source .venv/bin/activate",
        },
        0,
    ),
    (
        r"""module load cuda/12.1
conda activate llm
export NCCL_DEBUG=INFO HF_HOME=/scratch/hf
export PYTHONPATH=$PWD:$PYTHONPATH
torchrun --nproc_per_node 8 train.py --name "my run" 2>&1 | tee log.txt""",
        {
            "entry": "train.py",
            "args": ("--name", "my run"),
            "launcher": "torchrun",
            "nproc_per_node": 8,
            "env": {"NCCL_DEBUG": "INFO", "HF_HOME": "/scratch/hf"},
            "setup": 'module load cuda/12.1\nconda activate llm\nexport PYTHONPATH="${PWD}:${PYTHONPATH}"',
        },
        4,
    ),
    (
        r"""$ torchrun \
    --nproc_per_node 4 \
    train.py \
    --text 'a $b "c"' --more "d \"e\" 'f'" g\ h""",
        {
            "entry": "train.py",
            "args": ("--text", 'a $b "c"', "--more", "d \"e\" 'f'", "g h"),
            "launcher": "torchrun",
            "nproc_per_node": 4,
        },
        0,
    ),
    (
        r"""export MODEL_DIR=/models OUTPUT_DIR=out RANK=0
torchrun --nproc_per_node 2 train.py""",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "nproc_per_node": 2,
            "model_dir": "/models",
            "output_dir": "/w/out",
        },
        1,
    ),
    (
        "python -m torch.distributed.run --nproc_per_node 4 train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": 4},
        0,
    ),
    (
        "/opt/conda/envs/x/bin/python -m torch.distributed.run --nproc_per_node 4 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "python": "/opt/conda/envs/x/bin/python",
            "nproc_per_node": 4,
        },
        0,
    ),
    (
        "python -m torch.distributed.launch --nproc_per_node=8 --use_env main.py --data /data",
        {
            "entry": "main.py",
            "args": ("--data", "/data"),
            "launcher": "torchrun",
            "nproc_per_node": 8,
        },
        0,
    ),
    (
        "python -m torch.distributed.launch --nproc_per_node=8 main.py",
        {"entry": "main.py", "launcher": "torchrun", "nproc_per_node": 8},
        1,
    ),
    (
        "python3 -u train.py --lr 1",
        {"entry": "train.py", "args": ("--lr", "1"), "launcher": "direct"},
        0,
    ),
    (
        "python -m my.train --lr 1",
        {"entry": "python", "args": ("-u", "-m", "my.train", "--lr", "1"), "launcher": "direct"},
        1,
    ),
    (
        "colossalai run --nproc_per_node 2 train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": 2},
        0,
    ),
    (
        "colossalai run --nproc_per_node 4 --host 10.0.1.1,10.0.1.2 --master_addr 10.0.1.1 train.py --config c.py",
        {
            "entry": "train.py",
            "args": ("--config", "c.py"),
            "launcher": "torchrun",
            "backend": "ssh",
            "nproc_per_node": 4,
            "host": ("10.0.1.1", "10.0.1.2"),
        },
        0,
    ),
    (
        'colossalai run --hostfile hosts --include h1,h2 --nproc_per_node 8 --extra_launch_args "max_restarts=2,rdzv_backend=static" train.py',
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nproc_per_node": 8,
            "hostfile": "/w/hosts",
            "include": "h1,h2",
            "max_restarts": 2,
        },
        1,
    ),
    (
        "colossalai run -H localhost --num_nodes 1 --nproc_per_node 8 --ssh-port 2222 -m my.train",
        {
            "entry": "python",
            "args": ("-u", "-m", "my.train"),
            "launcher": "direct",
            "nproc_per_node": 8,
        },
        2,
    ),
    (
        "deepspeed --num_gpus 8 --master_port 29600 train.py --deepspeed_config ds.json",
        {
            "entry": "train.py",
            "args": ("--deepspeed_config", "ds.json"),
            "launcher": "deepspeed",
            "nproc_per_node": 8,
            "master_port": 29600,
        },
        0,
    ),
    (
        "deepspeed --include worker-0:0,1@worker-1:2 --hostfile=hosts train.py",
        {
            "entry": "train.py",
            "launcher": "deepspeed",
            "backend": "ssh",
            "nproc_per_node": "gpu",
            "hostfile": "/w/hosts",
            "include": "worker-0:0,1@worker-1:2",
        },
        1,
    ),
    (
        "deepspeed --launcher slurm --num_nodes 2 --num_gpus 8 --no_local_rank train.py",
        {
            "entry": "train.py",
            "launcher": "deepspeed",
            "launcher_args": ("--no_local_rank",),
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
        },
        0,
    ),
    (
        "deepspeed --hostfile hosts --exclude h3 --launcher openmpi --num_gpus 4 --module my.train",
        {
            "entry": "python",
            "args": ("-u", "-m", "my.train"),
            "launcher": "direct",
            "backend": "mpi",
            "nproc_per_node": 4,
            "hostfile": "/w/hosts",
            "exclude": "h3",
        },
        2,
    ),
    (
        "accelerate launch --num_processes 8 --num_machines 2 --machine_rank 0 --main_process_ip 10.0.0.1 --main_process_port 29500 --mixed_precision bf16 train.py",
        {
            "entry": "train.py",
            "launcher": "accelerate",
            "launcher_args": ("--mixed_precision", "bf16"),
            "backend": "ssh",
            "nnodes": 2,
            "nproc_per_node": 4,
            "master_addr": "10.0.0.1",
            "master_port": 29500,
        },
        1,
    ),
    (
        "accelerate launch --multi_gpu --gpu_ids 0,1 --gradient_accumulation_steps=4 --cpu train.py",
        {
            "entry": "train.py",
            "launcher": "accelerate",
            "launcher_args": ("--gradient_accumulation_steps", "4", "--cpu"),
            "nproc_per_node": "gpu",
            "env": {"CUDA_VISIBLE_DEVICES": "0,1"},
        },
        0,
    ),
    (
        "accelerate launch --config_file c.yaml --use_fsdp --fsdp_version 2 --num_processes 4 train.py --x",
        {
            "entry": "train.py",
            "args": ("--x",),
            "launcher": "accelerate",
            "launcher_args": ("--config_file", "c.yaml", "--use_fsdp", "--fsdp_version", "2"),
            "nproc_per_node": 4,
        },
        1,
    ),
    (
        "python -m accelerate.commands.launch --num_processes 4 train.py",
        {"entry": "train.py", "launcher": "accelerate", "nproc_per_node": 4},
        0,
    ),
    (
        "accelerate launch --mixed_precision fp16 --num_processes 2 -m my.train",
        {
            "entry": "python",
            "args": ("-u", "-m", "my.train"),
            "launcher": "direct",
            "nproc_per_node": 2,
            "env": {"ACCELERATE_MIXED_PRECISION": "fp16"},
        },
        2,
    ),
    (
        "accelerate launch train.py",
        {"entry": "train.py", "launcher": "accelerate"},
        1,
    ),
    (
        "msrun --worker_num=8 --local_worker_num=4 --master_port=8118 --log_dir=log --join=True net.py",
        {
            "entry": "net.py",
            "launcher": "msrun",
            "backend": "ssh",
            "nnodes": 2,
            "nproc_per_node": 4,
            "master_port": 8118,
        },
        2,
    ),
    (
        "msrun --worker_num 4 --local_worker_num 4 --bind_core=True --cluster_time_out=600 train.py --c d.yaml",
        {
            "entry": "train.py",
            "args": ("--c", "d.yaml"),
            "launcher": "msrun",
            "launcher_args": ("--bind_core", "True"),
            "nproc_per_node": 4,
            "env": {"MS_TOPO_TIMEOUT": "600"},
        },
        1,
    ),
    (
        "msrun net.py",
        {"entry": "net.py", "launcher": "msrun", "nproc_per_node": 8},
        0,
    ),
    (
        "msrun --worker_num 2 --local_worker_num 2 --join=False net.py",
        {"entry": "net.py", "launcher": "msrun", "nproc_per_node": 2},
        1,
    ),
    (
        "mpirun -np 16 -H a:8,b:8 -x NCCL_DEBUG=INFO -mca btl ^openib python train.py --x 1",
        {
            "entry": "train.py",
            "args": ("--x", "1"),
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 8,
            "host": ("a", "b"),
            "env": {"NCCL_DEBUG": "INFO"},
            "backend_options": {"per_rank": True},
        },
        2,
    ),
    (
        "mpirun -np 8 --hostfile hosts -N 4 --bind-to none -x LD_LIBRARY_PATH -x A=b python train.py",
        {
            "entry": "train.py",
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 4,
            "hostfile": "/w/hosts",
            "env": {"A": "b"},
            "backend_options": {"per_rank": True},
        },
        3,
    ),
    (
        "mpirun -np 2 -N 1 --hostfile hosts torchrun --nnodes 2 --nproc_per_node 4 --node_rank $OMPI_COMM_WORLD_RANK train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 4,
            "hostfile": "/w/hosts",
        },
        0,
    ),
    (
        "mpiexec -n 4 -ppn 2 -hosts a,b -genv A 1 ./solver --x 1",
        {
            "entry": "./solver",
            "args": ("--x", "1"),
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 2,
            "host": ("a", "b"),
            "env": {"A": "1"},
            "backend_options": {"per_rank": True},
        },
        1,
    ),
    (
        "mpirun -np 4 --allow-run-as-root --tag-output python train.py",
        {
            "entry": "train.py",
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 1,
            "nproc_per_node": 4,
            "backend_options": {"per_rank": True},
        },
        1,
    ),
    (
        "mpirun -np 8 --map-by ppr:4:node --hostfile hosts -wdir /data ./solver",
        {
            "entry": "./solver",
            "project": "/data",
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 4,
            "hostfile": "/w/hosts",
            "backend_options": {"per_rank": True},
        },
        1,
    ),
    (
        "mpirun -np 4 -H localhost:4 python t.py",
        {
            "entry": "t.py",
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 1,
            "nproc_per_node": 4,
            "backend_options": {"per_rank": True},
        },
        1,
    ),
    (
        "srun -N 2 --ntasks-per-node=1 --gres=gpu:8 -p gpu bash -c 'exec torchrun --nnodes $SLURM_NNODES --nproc_per_node 8 train.py'",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
            "backend_options": {"gres": "gpu:8", "partition": "gpu"},
        },
        1,
    ),
    (
        "srun -N2 -n16 --gpus-per-node=8 --time=01:00:00 --job-name=x --mpi=pmix python -u train.py",
        {
            "name": "x",
            "entry": "train.py",
            "launcher": "direct",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
            "backend_options": {
                "gpus_per_node": 8,
                "time": "01:00:00",
                "mpi": "pmix",
                "per_rank": True,
            },
        },
        1,
    ),
    (
        "srun -N 4 --export=ALL,NCCL_DEBUG=INFO -w node[1-4] -x node3 -c 32 torchrun --nproc_per_node 4 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 4,
            "nproc_per_node": 4,
            "include": "node[1-4]",
            "exclude": "node3",
            "env": {"NCCL_DEBUG": "INFO"},
            "backend_options": {"cpus_per_task": 8},
        },
        0,
    ),
    (
        "srun -N2 --ntasks-per-node 4 --gpus-per-task=1 python -m my.train --a",
        {
            "entry": "python",
            "args": ("-u", "-m", "my.train", "--a"),
            "launcher": "direct",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 4,
            "backend_options": {"per_rank": True, "gpus_per_node": 4},
        },
        2,
    ),
    (
        "srun -l -u -K1 -G 8 -N 2 -n 2 torchrun --nproc_per_node $SLURM_GPUS_ON_NODE train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": "gpu",
            "backend_options": {"gpus_per_node": 4},
        },
        2,
    ),
    (
        "srun -N 1 --ntasks 1 bash train.sh",
        {"entry": "train.sh", "launcher": "script", "backend": "slurm", "nnodes": 1},
        0,
    ),
    (
        "srun -N 2 --cpu-bind=none --gpus-per-node a100:4 -D /data torchrun --nproc_per_node=$SLURM_GPUS_ON_NODE t.py",
        {
            "entry": "t.py",
            "project": "/data",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": "gpu",
            "backend_options": {"gres": "gpu:a100:4"},
        },
        2,
    ),
    (
        "bash train.sh 1 2",
        {"entry": "train.sh", "args": ("1", "2"), "launcher": "script"},
        0,
    ),
    (
        "./train.sh",
        {"entry": "./train.sh", "launcher": "script"},
        0,
    ),
    (
        r"""#!/bin/bash
#SBATCH --job-name=multinode-example
#SBATCH --nodes=4
#SBATCH --ntasks=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4

nodes=( $( scontrol show hostnames $SLURM_JOB_NODELIST ) )
nodes_array=($nodes)
head_node=${nodes_array[0]}
head_node_ip=$(srun --nodes=1 --ntasks=1 -w "$head_node" hostname --ip-address)

echo Node IP: $head_node_ip
export LOGLEVEL=INFO

srun torchrun \
--nnodes 4 \
--nproc_per_node 1 \
--rdzv_id $RANDOM \
--rdzv_backend c10d \
--rdzv_endpoint $head_node_ip:29500 \
/shared/examples/multinode_torchrun.py 50 10""",
        {
            "name": "multinode-example",
            "entry": "/shared/examples/multinode_torchrun.py",
            "args": ("50", "10"),
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 4,
            "nproc_per_node": 1,
            "master_port": 29500,
            "env": {"LOGLEVEL": "INFO"},
            "backend_options": {"gpus_per_node": 1, "cpus_per_task": 4},
        },
        7,
    ),
    (
        r"""#!/bin/bash
#SBATCH -N 2 --ntasks-per-node=4 --cpus-per-task=8
#SBATCH --gres=gpu:a100:4   # four
#SBATCH --partition=gpu --account=abc --qos=high --exclusive
#SBATCH -t 2-00:00:00
#SBATCH -o logs/%j.out
#SBATCH --mail-type=END,FAIL
set -euo pipefail
export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_PORT=12340
export WORLD_SIZE=8
cd $SLURM_SUBMIT_DIR
srun python train.py --epochs 3""",
        {
            "entry": "train.py",
            "args": ("--epochs", "3"),
            "launcher": "direct",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 4,
            "master_port": 12340,
            "backend_options": {
                "gres": "gpu:a100:4",
                "partition": "gpu",
                "account": "abc",
                "qos": "high",
                "exclusive": True,
                "time": "2-00:00:00",
                "sbatch_line": "--mail-type=END,FAIL",
                "per_rank": True,
                "cpus_per_task": 8,
            },
        },
        4,
    ),
    (
        r"""#!/bin/bash
#SBATCH --nodes=1
#SBATCH --gpus=4
#SBATCH --constraint=h100 --reservation=mine --mem=0 --signal=USR1@120 --requeue
#SBATCH --dependency=afterok:12
eval "$(conda shell.bash hook)"
ulimit -n 65536
time torchrun --nproc_per_node 4 train.py""",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 1,
            "nproc_per_node": 4,
            "setup": 'eval "$(conda shell.bash hook)"\nulimit -n 65536',
            "backend_options": {
                "constraint": "h100",
                "reservation": "mine",
                "mem": "0",
                "signal": "USR1@120",
                "requeue": True,
                "sbatch_line": "--dependency=afterok:12",
                "gpus_per_node": 4,
            },
        },
        0,
    ),
    (
        r"""#!/bin/bash
#SBATCH -N 2
#SBATCH --ntasks-per-node=8
mpirun -np 16 ./solver""",
        {
            "entry": "./solver",
            "launcher": "direct",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
            "backend_options": {"per_rank": True},
        },
        1,
    ),
    (
        r"""#!/bin/bash
#SBATCH --nodes 2
#SBATCH --ntasks-per-node 1
LAUNCHER="x"
export OMP_NUM_THREADS=8
srun torchrun --nproc_per_node 8 train.py""",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
            "env": {"OMP_NUM_THREADS": "8"},
        },
        0,
    ),
    (
        r"""export A="x $HOME; rm \$y"
source "/opt/my env.sh" $B
torchrun --nproc_per_node 2 train.py""",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "nproc_per_node": 2,
            "setup": 'export A="x ${HOME}; rm \\$y"\nsource "/opt/my env.sh" "${B}"',
        },
        1,
    ),
    (
        "python /opt/x.py a; export AFTER=1",
        {"entry": "/opt/x.py", "args": ("a",), "launcher": "direct"},
        1,
    ),
    (
        'mpirun -n 4 --hostfile hosts -N 2 bash -c "python solver.py"',
        {
            "entry": "solver.py",
            "launcher": "direct",
            "backend": "mpi",
            "nnodes": 2,
            "nproc_per_node": 2,
            "hostfile": "/w/hosts",
            "backend_options": {"per_rank": True},
        },
        1,
    ),
]


AS_TORCHRUN: list[tuple[str, dict[str, Any], int]] = [
    (
        "deepspeed --num_gpus 8 --master_port 29600 train.py --deepspeed_config ds.json",
        {
            "entry": "train.py",
            "args": ("--deepspeed_config", "ds.json"),
            "launcher": "torchrun",
            "nproc_per_node": 8,
            "master_port": 29600,
        },
        1,
    ),
    (
        "deepspeed --include worker-0:0,1@worker-1:2 --hostfile=hosts train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nproc_per_node": "gpu",
            "hostfile": "/w/hosts",
            "include": "worker-0:0,1@worker-1:2",
        },
        2,
    ),
    (
        "deepspeed --launcher slurm --num_nodes 2 --num_gpus 8 --no_local_rank train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "slurm",
            "nnodes": 2,
            "nproc_per_node": 8,
        },
        0,
    ),
    (
        "accelerate launch --num_processes 8 --num_machines 2 --machine_rank 0 --main_process_ip 10.0.0.1 --main_process_port 29500 --mixed_precision bf16 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "backend": "ssh",
            "nnodes": 2,
            "nproc_per_node": 4,
            "master_addr": "10.0.0.1",
            "master_port": 29500,
            "env": {"ACCELERATE_MIXED_PRECISION": "bf16"},
        },
        2,
    ),
    (
        "accelerate launch --multi_gpu --gpu_ids 0,1 --gradient_accumulation_steps 4 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "nproc_per_node": "gpu",
            "env": {"CUDA_VISIBLE_DEVICES": "0,1", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"},
        },
        1,
    ),
    (
        "accelerate launch --use_deepspeed --deepspeed_config_file ds.json --num_processes 4 train.py",
        {
            "entry": "train.py",
            "launcher": "torchrun",
            "nproc_per_node": 4,
            "env": {
                "ACCELERATE_USE_DEEPSPEED": "true",
                "ACCELERATE_DEEPSPEED_CONFIG_FILE": "ds.json",
            },
        },
        2,
    ),
    (
        "python -m accelerate.commands.launch --num_processes 4 train.py",
        {"entry": "train.py", "launcher": "torchrun", "nproc_per_node": 4},
        0,
    ),
    (
        "accelerate launch train.py",
        {"entry": "train.py", "launcher": "torchrun"},
        1,
    ),
]
"""What becomes of lines of other launchers when torchrun is asked for."""


def told(text: str, *, as_torchrun: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields a text sets, and its notes."""
    found = read_command(text, Path("/w"), as_torchrun=as_torchrun)
    draft = found.draft
    fields = {name: getattr(draft, name) for name in draft.__struct_fields__ if name != "sources"}
    return {name: value for name, value in fields.items() if value is not None}, found.notes


@pytest.mark.parametrize(("text", "expected", "notes"), GOLDEN)
def test_lines_and_scripts_are_read_as_jobs(
    text: str, expected: dict[str, Any], notes: int
) -> None:
    fields, said = told(text)
    assert fields == {"project": "/w", **expected}
    assert len(said) == notes, said


@pytest.mark.parametrize(("text", "expected", "notes"), AS_TORCHRUN)
def test_lines_of_other_launchers_become_torchrun_jobs_where_that_is_asked_for(
    text: str, expected: dict[str, Any], notes: int
) -> None:
    fields, said = told(text, as_torchrun=True)
    assert fields == {"project": "/w", **expected}
    assert len(said) == notes, said


def test_a_configuration_file_says_how_many_ranks_and_nodes(tmp_path: Path) -> None:
    line = "accelerate launch --config_file fsdp.yaml {}train.py"
    (tmp_path / "fsdp.yaml").write_text(
        "distributed_type: FSDP\nnum_processes: 8\nnum_machines: 2\nmain_process_ip: h1\n"
    )
    draft = read_command(line.format(""), tmp_path).draft
    assert (draft.nnodes, draft.nproc_per_node, draft.master_addr) == (2, 4, "h1")
    assert draft.launcher_args == ("--config_file", "fsdp.yaml")
    draft = read_command(line.format("--num_machines 1 --num_processes 2 "), tmp_path).draft
    assert (draft.nnodes, draft.nproc_per_node) == (None, 2)
    for text in ("[1]", "a: [", "num_processes: \0"):
        (tmp_path / "fsdp.yaml").write_text(text)
        found = read_command(line.format(""), tmp_path)
        assert "fsdp.yaml could not be read" in found.notes[0]


@pytest.mark.parametrize("text", [text for text, _, _ in GOLDEN])
def test_what_is_read_can_be_written_and_loaded(text: str) -> None:
    draft = read_command(text, Path("/w")).draft
    read = parse_job_yaml(draft_to_yaml(draft), "/w/job.yaml")
    assert read.problems == ()
    assert draft_to_yaml(read.draft) == draft_to_yaml(draft)


def test_the_table_is_large() -> None:
    assert len(GOLDEN) >= 60
