"""How programs write numbers and their names, as expressions and tables. Plain data."""

from __future__ import annotations

import re

DIGITS = re.compile(r"(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
_FLOAT = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_THOUSANDS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"
_NUMBER = rf"(?P<sign>[-+]?)(?:(?P<num>(?:{_THOUSANDS}|{_FLOAT}))|(?P<word>nan|inf(?:inity)?))"
_UNIT = (
    r"(?P<unit>%(?!\|)|x(?!\w)"
    r"|(?:[kKMGBT]|[mun\u00b5]?s|[KMGT]i?B)(?![A-Za-z]))?"
)
_ENDS = r"(?![\w\u00b5%]|[.:\-]\w|/\d|/[A-Za-z]\w*/)"
_WRAPPED = r"(?:(?:(?:np|numpy|torch|jnp)\.)?(?:tensor|array|float\d*)\()?"
_KEY = r"[^\W\d][\w%]*(?:[./@-]\w+)*"
TWO_WORDS = re.compile(
    r"(?:train(?:ing)?|val(?:id(?:ation)?)?|eval|test|lm|total|avg|average|mean|running|batch|moe"
    r"|aux) (?:loss|acc(?:uracy)?|ppl|perplexity|error)"
    r"|learning rate|grad(?:ient)? norm|loss scale|(?:batch|data|step|iteration|iter) time",
    re.IGNORECASE,
)
WORD_BEFORE = re.compile(r"(?<![\w.@/%?&\\-])[A-Za-z]{2,10} $")
# what is looked ahead for is never tried shorter: a word that begins no pair costs one attempt
PAIR = re.compile(
    rf"(?<![\w.@/%?&\\-])(?=(?P<key>{_KEY}))(?P=key)(?P<of>\s?\((?:m?s|%|[KMGT]i?B)\))?[\"']?"
    rf"(?P<sep>\s*(?:=|:|\uff1a)\s*|\s+is\s+|\s+)(?P<open>{_WRAPPED}[\"'\[(]{{0,2}})\s*"
    rf"{_NUMBER}\s?{_UNIT}{_ENDS}",
    re.IGNORECASE,
)
FIELD = re.compile(
    rf"\s*(?P<key>[^\W\d][\w ./%-]{{1,48}}?)\s*(?P<of>\((?:m?s|%|[KMGT]i?B)\))?\s*"
    rf"(?P<sep>[:=])\s*(?P<open>){_NUMBER}\s?{_UNIT}(?=\s|$)",
    re.IGNORECASE,
)
RATE = re.compile(
    rf"(?<![\w.=/-])(?P<num>{_THOUSANDS}|{_FLOAT})(?P<unit>[kKM]?)\s?"
    r"(?P<noun>tok(?:en)?s?|samples?|imgs?|images?|it|iters?|steps?|seqs?|examples?|frames?)"
    r"(?:/| per )s(?:ec(?:ond)?)?(?![\w/])"
)
SLOW = re.compile(rf"(?<![\w.=/-])(?P<num>{_FLOAT})s/(?P<noun>it|step|iter|batch)(?!\w)")
SIGN = re.compile(
    r"(?:[=\uff1a]|(?<!\d):|:(?=\s))\s*(?:[a-z.\d]{0,12}\()?[\"'\[(]{0,2}\s*[-+]?"
    r"(?:\.?\d|nan|inf)",
    re.IGNORECASE,
)
HINTS = (
    "loss",
    "norm",
    "step",
    "iter",
    "epoch",
    "batch",
    "update",
    "it/s",
    "/it",
    "/s",
    "perp",
    "flop",
    "grad",
    "throughput",
    "acc",
    "lr",
    "ppl",
    "mfu",
    "nll",
    "bleu",
    "rouge",
    "psnr",
    "ssim",
    "elbo",
    "bp",
    "f1",
    "auc",
    "mse",
    "mae",
    "iou",
    "fid",
    "wer",
    "cer",
    "kl",
    "wps",
    "top",
    "tflop",
)
"""What a line that tells something has, if no sign stands before a number in it."""
SCALES = {
    "k": 1e3,
    "m": 1e6,
    "g": 1e9,
    "b": 1e9,
    "t": 1e12,
    "ms": 1e-3,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "ns": 1e-9,
    **{f"{u}b": 1e3 ** (i + 1) for i, u in enumerate("kmgt")},
    **{f"{u}ib": 1024.0 ** (i + 1) for i, u in enumerate("kmgt")},
}
INVERSE = 0.0
