"""What stands around a launch command: variables, `cd`, modules, environments, lines that print.

Exports become the job's environment, lines that prepare a node its setup; what computes is left
out where Rankdeck says the same itself, and refused where it would be missed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from rankdeck.job.command_line_parts import LOCAL_ADDRESSES, Arg, Growing, read_options
from rankdeck.job.command_line_shell import Part, Statement, Word, read_shell, refusal
from rankdeck.project.reserved import contract_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_KEYWORDS = frozenset({
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac",
    "function", "select", "{", "}", "[", "[[", "test", "!", "trap", "return", "eval", "shift",
    "read", "alias", "declare", "typeset", "local", "readonly",
})  # fmt: skip
_PREPARES = frozenset({
    "module", "ml", "source", ".", "conda", "mamba", "micromamba", "spack", "ulimit", "mkdir",
    "umask", "unset", "pyenv",
})  # fmt: skip
_ONLY_TELLS = frozenset({
    "echo", "printf", "date", "hostname", "nvidia-smi", "npu-smi", "pwd", "env", "printenv",
    "which", "ls", "cat", "sleep", "wait", "true", ":", "exit", "free", "lscpu", "uname", "nproc",
    "whoami", "id", "type", "squeue", "sinfo", "scontrol", "clear", "history",
})  # fmt: skip
_HOOK = re.compile(
    r"""eval\s+"?\$\(\s*(conda|micromamba|mamba)\s+shell(\.\w+)?\s+hook"""
    r"""(\s+(-s|--shell)[ =]\w+)?\s*\)"?"""
)
_PLAIN = re.compile(r"[\w@%+=:,./~-]+")
_PATTERN = re.compile(r"[\w@%+=:,./~*?\[\]-]+")
_FIELDS = {"DATASET_DIR": "dataset_dir", "MODEL_DIR": "model_dir", "OUTPUT_DIR": "output_dir"}


class Context:
    """Reads the statements of a text in order."""

    def __init__(self, job: Growing) -> None:
        self.job = job
        self.found = 0
        """The line of the launch command; 0: none has been seen."""
        self.after_directives: Callable[[], None] | None = None
        self._values: dict[str, str] = {}
        self._computed: dict[str, Word] = {}

    def directives(self, lines: Sequence[tuple[int, str]]) -> None:
        """The `#SBATCH` lines of a batch script."""
        from rankdeck.job.command_line_slurm import SBATCH

        self.job.batch = True
        self.job.fields["backend"] = "slurm"
        for number, text in lines:
            words: list[Arg] = []
            for statement in read_shell(text, number).statements:
                words += [self.arg(word) for word in statement.words]
            read_options(self.job, words, SBATCH, program="sbatch", clustered=True)
        if self.after_directives is not None:
            self.after_directives()

    def prepare(self, statement: Statement) -> bool:
        """Take a line that starts nothing; whether it was one."""
        words = statement.words
        first = words[0].text if not words[0].quoted else ""
        if self.found and (first in _PREPARES or first in ("export", "cd", "pushd")):
            self.job.note(f"line {statement.line}: {first!r} comes after the command: left out")
        elif all(_ASSIGNED.match(word.lead) for word in words):
            for word in words:
                self._assign(word)
        elif first == "export":
            self._export(statement)
        elif first in ("set", "shopt"):
            pass  # how a shell goes on after errors: there is no shell
        elif first == "cd" or first == "pushd":
            self._change_directory(statement)
        elif _HOOK.fullmatch(statement.source):
            self.job.setup.append(statement.source)
        elif first in _KEYWORDS:
            raise refusal(
                statement.line, first, "is shell programming, which is not read",
                "paste the launch command alone, or keep the script and run it:"
                " rankdeck run SCRIPT.sh",
            )  # fmt: skip
        elif first in _PREPARES and not (len(words) > 1 and words[1].text == "run"):
            self._prepare_node(statement, first)
        elif first in _ONLY_TELLS and not (first == "env" and len(words) > 1):
            self.job.note(f"line {statement.line}: {first!r} is left out: it starts nothing")
        else:
            return False
        return True

    def command(self, statement: Statement) -> list[Arg]:
        """The words of a launch command; variables set before it have become the job's."""
        words = list(statement.words)
        while words and _ASSIGNED.match(words[0].lead):
            word = words.pop(0)
            name, arg = self._split(word)
            self._set(name, arg, f"export {self._assignment(word)}")
        return [self.arg(word) for word in words]

    def arg(self, word: Word) -> Arg:
        """The word with what is known of its variables."""
        text, unknown, computed = "", list[str](), False
        for part in word.parts:
            if part.computed:
                computed = True
                text += part.text
            elif part.variable in self._values:
                text += self._values[part.variable]
            elif part.variable and part.default is not None:
                self.job.note(f"${{{part.variable}:-{part.default}}} is read as {part.default}")
                text += part.default
            else:
                text += part.text
                if part.variable:
                    unknown.append(part.variable)
        if not word.quoted and text.startswith("~"):
            text = os.path.expanduser(text)
        return Arg(
            text=text, line=word.line, unknown=tuple(unknown), computed=computed,
            glob=word.glob and not word.quoted,
        )  # fmt: skip

    # -- lines ------------------------------------------------------------------------------

    def _split(self, word: Word) -> tuple[str, Arg]:
        found = _ASSIGNED.match(word.text)
        assert found is not None
        if found[2]:
            raise refusal(word.line, word.text, "adds to a variable", "write its value out")
        arg = self.arg(word)
        value = arg.text[len(found.group()) :]
        if not word.quoted and value.startswith("~"):
            value = os.path.expanduser(value)
        return found[1], Arg(
            text=value, line=arg.line, unknown=arg.unknown, computed=arg.computed,
            option=found[1],
        )  # fmt: skip

    def _assign(self, word: Word) -> None:
        """`NAME=VALUE`: known from here on; it is not exported."""
        name, arg = self._split(word)
        if arg.computed:
            self._values.pop(name, None)
            self._computed[name] = word
            self.job.note(f"line {arg.line}: {name} is worked out by a shell: left out")
        elif arg.unknown:
            self._values.pop(name, None)
        else:
            self._values[name] = arg.text

    def _export(self, statement: Statement) -> None:
        for word in statement.words[1:]:
            if _ASSIGNED.match(word.text):
                name, arg = self._split(word)
                if arg.known:
                    self._values[name] = arg.text
                self._set(name, arg, f"export {self._assignment(word)}")
            elif word.text in self._values:
                value = self._values[word.text]
                self._set(word.text, Arg(text=value, line=word.line, option=word.text), "")
            elif word.text.startswith("-"):
                raise refusal(word.line, word.text, "is no way to export that is read")
            elif word.text in self._computed:
                arg = Arg(text=word.text, line=word.line, computed=True, option=word.text)
                self._set(word.text, arg, "")

    def _assignment(self, word: Word) -> str:
        """`NAME=VALUE` as a shell must be given it to get the same value."""
        name, equals, _ = word.text.partition("=")
        parts = list(word.parts)
        parts[0] = Part(parts[0].text[len(name) + 1 :])
        return f"{name}{equals}{self._in_quotes(tuple(parts))}"

    def _written(self, word: Word) -> str:
        """A word as a shell must be given it; what is a variable there stays one."""
        bare = _PATTERN if word.glob else _PLAIN
        if not word.quoted and bare.fullmatch(word.text):
            return word.text
        return self._in_quotes(word.parts)

    def _in_quotes(self, parts: tuple[Part, ...]) -> str:
        pieces = []
        for part in parts:
            if part.variable and part.variable not in self._values:
                default = "" if part.default is None else f":-{part.default}"
                pieces.append(f"${{{part.variable}{default}}}")
            else:
                # what was set in the text is not set where the line runs
                value = self._values[part.variable] if part.variable else part.text
                pieces.append(re.sub(r'(["$`\\])', r"\\\1", value))
        text = "".join(pieces)
        return text if _PLAIN.fullmatch(text) else f'"{text}"'

    def _set(self, name: str, arg: Arg, line: str) -> None:
        """A variable of the ranks."""
        if name in ("MASTER_ADDR", "MASTER_PORT"):
            self._set_master(name, arg)
        elif name in _FIELDS and arg.known:
            self.job.set(_FIELDS[name], self.job.path(arg.text), name)
        elif contract_reason(name):
            self.job.note(f"{name} is left out: Rankdeck sets it for every rank")
        elif arg.computed:
            raise refusal(
                arg.line, arg.text, f"({name}) would be worked out by a shell, and is not",
                "write its value out, or leave the line out and put it into setup",
            )  # fmt: skip
        elif arg.unknown:
            self.job.setup.append(line)
            names = ", ".join(f"${other}" for other in arg.unknown)
            self.job.note(f"{line} becomes a setup line: each node fills in {names}")
        else:
            self.job.env[name] = arg.text

    def _set_master(self, name: str, arg: Arg) -> None:
        if not arg.known:
            self.job.note(f"{name} is left out: Rankdeck chooses it")
        elif name == "MASTER_PORT":
            self.job.set("master_port", self.job.whole(arg, 1, 65535), name, over=True)
        elif arg.text not in LOCAL_ADDRESSES:
            self.job.set("master_addr", arg.text, name, over=True)

    def _change_directory(self, statement: Statement) -> None:
        if len(statement.words) != 2:
            raise refusal(statement.line, statement.source, "does not say where", "name a folder")
        arg = self.arg(statement.words[1])
        if set(arg.unknown) == {"SLURM_SUBMIT_DIR"} or set(arg.unknown) == {"PWD"}:
            for name in arg.unknown:
                text = arg.text.replace(f"${{{name}}}", ".").replace(f"${name}", ".")
            arg = Arg(text=text, line=arg.line)
        known = self.job.known(
            Arg(text=arg.text, line=arg.line, unknown=arg.unknown, computed=arg.computed,
                option="cd"), "write the folder out",
        )  # fmt: skip
        self.job.cwd = self.job.path(known.text)

    def _prepare_node(self, statement: Statement, first: str) -> None:
        words = [self.arg(word) for word in statement.words]
        if any(word.computed for word in words):
            raw = next(word for word in words if word.computed)
            raise refusal(
                statement.line, raw.text, "would be worked out by a shell, and is not",
                "write its value out",
            )  # fmt: skip
        line = " ".join(self._written(word) for word in statement.words)
        self.job.setup.append(line)
        if first in ("source", ".") and len(words) == 2 and words[1].known:
            self._activated(words[1].text)
        elif first in ("conda", "mamba", "micromamba") and "activate" in statement.source:
            self.job.note(
                f"{line!r} becomes a setup line; name that environment's interpreter too:"
                " --python PATH"
            )

    def _activated(self, script: str) -> None:
        """`source DIR/bin/activate`: the environment's own interpreter."""
        if os.path.basename(script) == "activate":
            folder = os.path.dirname(self.job.path(script))
            self.job.fields["python"] = os.path.join(folder, "python")
