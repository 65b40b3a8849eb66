"""What a pasted line may not be, what is said of it, and that nothing of it is ever executed."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from rankdeck.errors import UserError
from rankdeck.job.command_line import read_command
from rankdeck.job.draft import JobDraft
from tests.unit.job.test_command_line_golden import GOLDEN, told

REFUSED: list[tuple[str, str, str]] = [
    ("torchrun --nproc_per_node=$GPUS a.py", "'$GPUS' (--nproc_per_node) depends on $GPUS", "gpu"),
    ("torchrun --nproc_per_node=$(nproc) a.py", "'$(nproc)' (--nproc_per_node) would be", "gpu"),
    ("torchrun --nproc_per_node=0 a.py", "--nproc_per_node: must be at least 1", ""),
    ("torchrun --nproc_per_node=xpu a.py", "'xpu' (--nproc_per_node) is not offered", "number"),
    ("torchrun --master_port 99999 a.py", "--master_port: must be between 1 and 65535", ""),
    ("torchrun --frobnicate 3 a.py", "'--frobnicate' is no option of torchrun", "leave it out"),
    ("torchrun --n 3 a.py", "'--n' is no option of torchrun", ""),
    ("torchrun --nprocpernode 3 a.py", "'--nprocpernode' is no", "did you mean --nproc-per-node"),
    ("torchrun --virtual-local-rank a.py", "is not offered", "CUDA_VISIBLE_DEVICES"),
    ("torchrun --run-path f", "'--run-path' is not offered", "name a file"),
    ("torchrun --nproc_per_node", "'--nproc_per_node' needs a value", ""),
    ("torchrun --nproc_per_node 2", "'torchrun' starts nothing", "Python file"),
    ("torchrun a.py --d `pwd`", "'`pwd`' would be worked out by a shell", "write its value"),
    ("torchrun $(ls)", "'$(ls)' (what is run) would be worked out", "write the path"),
    ("torchrun $SCRIPT", "'$SCRIPT' (what is run) depends on $SCRIPT", "write the path"),
    ("$LAUNCHER a.py", "does not say which program it is", ""),
    ("torchrun a.py | grep loss", "'|' is not read", "tee"),
    ("torchrun a.py || echo failed", "'||' is not read", "alone"),
    ("torchrun a.py <<EOF\nx\nEOF", "'<<' is not read", "into a file"),
    ("torchrun 'a.py", 'line 1: "\'" opens a quote that is never closed', ""),
    ('torchrun a.py\ntrue\necho "x', "line 3: '\"' opens a quote", ""),
    ("torchrun a.py $(x", "'(' is never closed", ""),
    ("torchrun a.py `x", "'`' opens a quote", ""),
    ("(torchrun a.py)", "'(' is shell programming", "alone"),
    ("for i in 1 2; do torchrun a.py; done", "'for' is shell programming", "SCRIPT.sh"),
    ("if true; then torchrun a.py; fi", "'if' is shell programming", ""),
    ("[ -d x ] && torchrun a.py", "'[' is shell programming", ""),
    ("torchrun a.py\ntorchrun b.py", "line 2: 'torchrun' is a second command", "line 1"),
    ("torchrun a.py; rm -rf /", "'rm' is a second command", ""),
    ("rm -rf / && torchrun a.py", "'rm' is no launcher", "torchrun"),
    ("export A=$(date); torchrun a.py", "'$(date)' (A) would be worked out", "setup"),
    ("module load $(cat m); torchrun a.py", "'$(cat m)' would be worked out", ""),
    ("A+=b torchrun a.py", "adds to a variable", "write its value"),
    ("docker run x torchrun a.py", "'docker' is not read", "train.sh"),
    ("numactl -N 0 torchrun a.py", "'numactl' is not read", "leave it out"),
    ("conda run -n x torchrun a.py", "'conda' is not read", "--python PATH"),
    ("uv run torchrun a.py", "'uv' is not read", "--python PATH"),
    ("ssh n1 torchrun a.py", "'ssh' is not read", "--host"),
    ("python -c 'print(1)'", "'-c' is a program on the line", "file"),
    ("python -X dev a.py", "'-X' is an option of python", ""),
    ("python", "'python' starts nothing", ""),
    ("python -m", "'-m' names no module", ""),
    ("colossalai check -i", "'check' is not 'colossalai run'", ""),
    ("accelerate test", "only 'accelerate launch' is read", ""),
    ("accelerate launch --tpu a.py", "'--tpu' is not offered", "accelerate itself"),
    ("accelerate launch --mixed_precision $P a.py", "depends on $P", "write it out"),
    ("accelerate launch --use_fsdp -m a", "'--use_fsdp' sets up what", "a Python file"),
    (
        "accelerate launch --num_processes 3 --num_machines 2 a.py",
        "--num_processes are 3",
        "as many",
    ),
    ("deepspeed --autotuning run a.py", "'--autotuning' is not offered", "deepspeed"),
    ("deepspeed --launcher what a.py", "'what' is no launcher that is known", "pdsh"),
    (
        "msrun --worker_num 6 --local_worker_num 4 a.py",
        "--worker_num are 6, which does not fill",
        "as many",
    ),
    ("msrun --sim_level 1 a.py", "simulates", "msrun itself"),
    ("mpirun python a.py", "mpirun does not say how many", "-np"),
    ("mpirun -np 4 --hostfile h python a.py", "does not say how many of its tasks", "-N"),
    ("mpirun -np 5 -H a,b python a.py", "mpirun's tasks are 5", "as many"),
    ("mpirun -np 6 -N 2 -H a,b python a.py", "6 tasks, but 2 on each of 2", "change"),
    ("mpirun -np 1 -H a:1,b:2 python a.py", "different numbers of slots", "hostfile"),
    ("mpirun -np 2 ./a : -np 2 ./b", "':' is several programs", "one command"),
    ("mpirun -np 2 srun torchrun a.py", "'srun' stands inside mpirun", ""),
    ("mpirun --app f", "'--app' is not offered", ""),
    ("srun", "'srun' starts nothing", "whole command"),
    ("srun -N2 --ntasks-per-node 8 torchrun --nproc_per_node 8 a.py", "8 launchers on each", "=1"),
    ("srun -N 2 -n 4 torchrun a.py", "4 launchers on 2 nodes", "one launcher"),
    ("srun -N 2 torchrun --nnodes 4 a.py", "--nnodes says 4, but -N says 2", "change"),
    ("srun -w ./file torchrun a.py", "'./file' (-w) is a file", "write the nodes"),
    ("srun --container-image=x torchrun a.py", "'--container-image' is not offered", "train.sh"),
    ("#SBATCH --array=0-3\nsrun python a.py", "line 1: '--array' is several jobs", "index"),
    ("#SBATCH --nodes=two\nsrun python a.py", "line 1: --nodes: must be a whole number", ""),
    ("#SBATCH -N 2\n#SBATCH --what\nsrun a", "line 2: '--what' is no option of sbatch", ""),
    ("sbatch", "'sbatch' names no script", "paste"),
    ("sbatch --wrap 'torchrun a.py'", "'--wrap' is not read", "paste"),
    ("sbatch -N 2 nothere.sh", "/w/nothere.sh cannot be read", "paste"),
    ("bash", "'bash' starts nothing", ""),
    ("echo hi", "no launch command", "torchrun"),
    ("", "no launch command", ""),
    ("# only a comment", "no launch command", ""),
    ("torchrun \0a.py", "NUL", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED)
def test_what_cannot_be_read_is_named_with_what_to_do(text: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        read_command(text, Path("/w"))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_batch_file_is_read_under_the_options_of_sbatch(tmp_path: Path) -> None:
    (tmp_path / "train.sbatch").write_text(
        "#!/bin/bash\n#SBATCH -N 2 -p small --ntasks-per-node=1\nsrun torchrun --nproc_per_node 8"
        " train.py $1\n"
    )
    found = read_command("sbatch -N 4 --partition big train.sbatch x", tmp_path)
    assert (found.draft.nnodes, found.draft.nproc_per_node) == (4, 8)
    assert found.draft.backend_options == {"partition": "big"}
    assert found.draft.args == ("$1",)
    assert any("x" in note and "left out" in note for note in found.notes)


def test_notes_name_the_word_and_why() -> None:
    _, notes = told("torchrun --nproc_per_node 2 --tee 3 --rdzv-conf timeout=9 a.py $X > log")
    assert notes == (
        "'> log' is left out: every rank's output is kept in a log of its own",
        "--tee 3 is left out: every rank's output is kept in a log of its own",
        "--rdzv-conf timeout=9 is left out: Rankdeck watches the nodes itself",
        "$X stays as it is in the arguments: ranks are started without a shell",
    )


def test_nothing_is_ever_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"executed: {args}")

    for module, name in ((subprocess, "Popen"), (os, "system"), (os, "posix_spawn"), (os, "fork")):
        monkeypatch.setattr(module, name, forbidden)
    mark = tmp_path / "mark"
    for text in (
        f"torchrun --nproc_per_node 2 a.py $(touch {mark})",
        f"torchrun --nproc_per_node=`touch {mark}` a.py",
        f"A=$(touch {mark}) torchrun a.py",
        f"MASTER_ADDR=$(touch {mark}) torchrun a.py",
        f"source <(touch {mark}) && torchrun a.py",
        f"torchrun a.py > $(touch {mark})",
        f"torchrun a.py; touch {mark}",
        f"bash -c 'touch {mark}; torchrun a.py'",
    ):
        with suppress(UserError):
            read_command(text, tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_text_is_read_or_refused_and_never_more(seed: int) -> None:
    chance = random.Random(seed)
    for text, _, _ in GOLDEN:
        letters = list(text)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(letters) + 1)
            letters[at : at + chance.randint(0, 2)] = chance.choice(
                [
                    "",
                    "'",
                    '"',
                    "$",
                    "$(",
                    "${",
                    "`",
                    "\\",
                    "\n",
                    "|",
                    "&",
                    ";",
                    "<",
                    "(",
                    "-",
                    "=",
                    "é",
                ]
            )
        # raises UserError or nothing
        with suppress(UserError):
            read_command("".join(letters), Path("/w"))


@pytest.mark.parametrize(
    "value",
    ["a b", "$(touch x)", "`id`", "a;b", "a\"b'c", "\\", "$HOME", "*", "é 漢字", "", "a\nb", "-n"],
)
def test_quoted_words_arrive_as_a_shell_would_pass_them(value: str) -> None:
    quoted = shlex.quote(value)
    fields, _ = told(f"A={quoted} torchrun a.py --x {quoted} {quoted}")
    assert fields["args"] == ("--x", value, value)
    assert fields["env"] == {"A": value}
    shell = ["bash", "-c", f"printf '%s\\0' {quoted}"]
    assert subprocess.run(shell, capture_output=True, check=True).stdout == value.encode() + b"\0"


@pytest.mark.parametrize("value", ["a b", "$(echo no)", "`echo no`", 'a"b', "a;echo no", "\\ $x"])
def test_setup_lines_give_a_shell_the_same_value(value: str) -> None:
    quoted = shlex.quote(value)
    fields, _ = told(f'V={quoted}\nexport A="$B/$V/"{quoted}\ntorchrun a.py')
    line = fields["setup"]
    env = {"PATH": os.environ["PATH"], "B": "b"}
    done = subprocess.run(
        ["bash", "-c", f'{line}\nprintf %s "$A"'], capture_output=True, env=env, check=True
    )
    assert done.stdout.decode() == f"b/{value}/{value}"


def test_the_current_directory_is_where_paths_count_from(tmp_path: Path) -> None:
    found = read_command("cd sub/../proj\ntorchrun train.py", tmp_path)
    assert found.draft == JobDraft(
        project=str(tmp_path / "proj"), entry="train.py", launcher="torchrun"
    )
