"""Which names are those of metrics, and which never are. Plain data and pure functions."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 64
"""Characters of a metric's name."""

_STRONG = frozenset(
    """
    loss lr acc accuracy acc1 acc5 top1 top5 ppl perplexity gnorm mfu hfu tflops tflop flops
    nll bpb bpc elbo bleu rouge f1 auc mae mse rmse iou miou psnr ssim fid wer cer kl wps
    throughput grad_norm grad
    """.split()  # noqa: SIM905
)
_WEAK = frozenset(
    """
    norm rate tok toks token tokens sample samples img imgs it reward rewards return entropy
    precision recall score r2 map dice mem memory vram time dt speed ups scale momentum mom
    temperature margin advantage clip epoch error err gap
    """.split()  # noqa: SIM905
)
_NEVER = frozenset(
    """
    pid ppid tid uid gid port rank ranks local_rank global_rank node_rank world world_size
    node nodes nnodes nproc nproc_per_node host hosts hostname ip addr address seed line
    lineno version ver v_num id job jobid run user gpu gpus cuda cudnn device devices dev code
    exit exitcode returncode signal errno ts timestamp date datetime asctime year month day
    eta step steps iter iters iteration iterations it batch batches global_step update
    num_updates total_steps max_steps torch nccl python numpy transformers deepspeed driver
    info warning warn debug error notset critical fatal note hash sha sha1 sha256 md5 crc
    crc32 commit revision build uuid tag http https tcp udp ssh file path dir thread process
    worker workers num_workers slot slots layer layers
    """.split()  # noqa: SIM905
)
_NEVER_END = re.compile(
    r"(?:^|[_./-])(?:id|pid|port|rank|seed|version|hash|sha|commit|uuid|dir|path|timestamp|date)$"
    r"|\.(?:py|pyx|cc|cpp|cu|c|h|hpp|so|rs|go|sh|js|java|log|txt|json|ya?ml)$"
)
_CONSTANT = re.compile(
    r"^(?:max|min|num|n|total|world|global)_|_(?:size|dim|heads|layers|workers)$"
)
_PARTS = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"[a-z][A-Z]")


@lru_cache(maxsize=4096)
def name(key: str) -> str:
    """A metric's name as series are told apart by: `Learning Rate` is `learning_rate`."""
    text = re.sub(r"\s+", "_", key.strip().strip("'\""))
    return (text if _CAMEL.search(text) else text.lower())[:LONGEST]


@lru_cache(maxsize=4096)
def strong(key: str) -> bool:
    """Whether one of the words in it is a metric's wherever it stands."""
    lower = key.lower()
    return lower in _STRONG or any(part in _STRONG for part in _PARTS.findall(lower))


@lru_cache(maxsize=4096)
def known(key: str) -> bool:
    """Whether one of the words in it is a metric's on a line that tells a step."""
    return strong(key) or any(part in _WEAK for part in _PARTS.findall(key.lower()))


@lru_cache(maxsize=4096)
def never(key: str) -> bool:
    """Whether what it names is a number but no measurement: ids, ports, versions, places."""
    lower = key.lower()
    return lower in _NEVER or _NEVER_END.search(lower) is not None


@lru_cache(maxsize=4096)
def constant(key: str) -> bool:
    """Whether it names a size or a limit, which is a setting unless a line of a step tells it."""
    return _CONSTANT.search(key.lower()) is not None


def loss_like(key: str) -> bool:
    """Whether smaller is better and a sudden rise is bad news."""
    last = re.split(r"[/.]", key.lower())[-1]
    return "loss" in last or last in ("nll", "ppl", "perplexity", "bpb", "bpc", "mse", "rmse")


def norm_like(key: str) -> bool:
    """Whether it is the size of the gradients."""
    lower = key.lower()
    return ("grad" in lower and "norm" in lower) or lower in ("gnorm", "grad_norm")


def order(key: str) -> tuple[int, str]:
    """Sorts the names people look at first before the others."""
    lower = key.lower()
    if lower == "loss":
        rank = 0
    elif loss_like(lower):
        rank = 1
    elif norm_like(lower):
        rank = 3
    elif lower in ("lr", "learning_rate"):
        rank = 2
    elif "/s" in lower or "throughput" in lower:
        rank = 5
    elif strong(lower):
        rank = 4
    elif known(lower) and lower != "epoch":
        rank = 6
    else:
        rank = 8 if lower == "epoch" else 7
    return (rank, lower)
