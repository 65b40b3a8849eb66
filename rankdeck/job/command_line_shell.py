"""Shell text to words, without a shell: nothing is expanded, substituted or run.

Understands comments, quotes, continued lines, `;`, `&&` and line ends between commands. What only
a shell can work out is marked in its word or refused with its line. Pure.
"""

from __future__ import annotations

import re

import msgspec

from rankdeck.errors import UserError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIMPLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^$`\\\"'{}]*))?\}")
_POSITIONAL = re.compile(r"[0-9@*#?!$-]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_BLANK = " \t\r"
_ENDS = " \t\r\n;&|<>()"
_GLOB = re.compile(r"[*?]|\[.+\]")


class Part(msgspec.Struct, frozen=True):
    """A piece of a word: literal text, a variable, or what only a shell can work out."""

    text: str
    """As written, quotes removed; of a variable, `$NAME`."""
    variable: str = ""
    default: str | None = None
    """Of `${NAME:-default}`."""
    computed: bool = False


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a command."""

    parts: tuple[Part, ...]
    line: int
    quoted: bool = False
    """Whether any of it stood in quotes; such a word is no keyword."""
    glob: bool = False
    """Whether a shell would look for file names that match it."""
    lead: str = ""
    """What stands before the first quote or variable; only there can `NAME=` be."""

    @property
    def text(self) -> str:
        """The word as it stands, its quotes removed."""
        return "".join(part.text for part in self.parts)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One command."""

    words: tuple[Word, ...]
    line: int
    source: str
    """The text it was read from, on one line."""
    remarks: tuple[str, ...] = ()
    """What was left out of it: redirections, `&`."""


class ShellText(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was read."""

    statements: tuple[Statement, ...]
    directives: tuple[tuple[int, str], ...] = ()
    """Lines that begin with `#SBATCH`: number and what follows."""


def read_shell(text: str, first_line: int = 1) -> ShellText:
    """The commands in a text.

    Raises:
        UserError: It needs a shell, or a quote is never closed; names the line and the word.
    """
    return _Scanner(text, first_line).read()


def refusal(line: int, word: str, why: str, hint: str = "") -> UserError:
    """The error that names a word and its line."""
    shown = word if len(word) <= 60 else f"{word[:57]}..."
    return UserError(f"line {line}: {shown!r} {why}", hint)


class _Scanner:
    """Goes over the text once, character by character."""

    def __init__(self, text: str, first_line: int) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.first_line = first_line
        self.statements: list[Statement] = []
        self.directives: list[tuple[int, str]] = []
        self.words: list[Word] = []
        self.remarks: list[str] = []
        self.began = 0
        self.redirected_from = -1

    # -- the text ---------------------------------------------------------------------------

    @property
    def line(self) -> int:
        return self.first_line + self.text.count("\n", 0, self.at)

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def refuse(self, word: str, why: str, hint: str = "") -> UserError:
        return refusal(self.line, word, why, hint)

    def read(self) -> ShellText:
        while self.at < len(self.text):
            self._next()
        self._end_statement()
        return ShellText(statements=tuple(self.statements), directives=tuple(self.directives))

    def _next(self) -> None:
        char = self.peek()
        if char in _BLANK:
            self.at += 1
        elif char == "\\" and (gap := re.compile(r"\\[ \t]*\n").match(self.text, self.at)):
            self.at = gap.end()
        elif char == "#":
            self._comment()
        elif char in "\n;":
            self._end_statement()
            self.at += 1
        elif char in "&|<>":
            self._operator()
        elif char in "()":
            raise self.refuse(
                char, "is shell programming, which is not read", "paste the launch command alone"
            )
        else:
            if not self.words:
                self.began = self.at
            if not self._descriptor():
                self.words.append(self._word())

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        starts_line = self.at == 0 or self.text[self.at - 1] == "\n"
        if starts_line and self.text.startswith("#SBATCH", self.at):
            directive = self.text[self.at + len("#SBATCH") : end]
            self.directives.append((self.line, directive.strip()))
        self.at = end

    def _end_statement(self) -> None:
        if self.words:
            source = re.sub(r"\\[ \t]*\n", " ", self.text[self.began : self.at]).strip()
            self.statements.append(
                Statement(
                    words=tuple(self.words),
                    line=self.words[0].line,
                    source=source,
                    remarks=tuple(dict.fromkeys(self.remarks)),
                )
            )
        self.words, self.remarks = [], []

    # -- operators --------------------------------------------------------------------------

    def _operator(self) -> None:
        two = self.peek(2)
        if two == "&&":
            self._end_statement()
            self.at += 2
        elif two == "||":
            raise self.refuse("||", "is not read", "paste the launch command alone")
        elif two in ("&>", ">&", "<&") or self.peek() in "<>":
            self._redirection()
        elif self.peek() == "|":
            self._pipe()
        else:
            self.remarks.append("'&' is left out: a run goes on by itself (rankdeck run --detach)")
            self._end_statement()
            self.at += 1

    def _descriptor(self) -> bool:
        """Skip the number of a redirection such as `2>`."""
        found = re.compile(r"[0-9]+(?=[<>])").match(self.text, self.at)
        if found is None:
            return False
        self.redirected_from = self.at
        self.at = found.end()
        return True

    def _redirection(self) -> None:
        if self.peek(2) == "<<":
            raise self.refuse("<<", "is not read", "put that text into a file")
        found = re.compile(r"&>>|&>|>>|>&|<&|>\||[<>]").match(self.text, self.at)
        assert found is not None
        began = self.at if self.redirected_from < 0 else self.redirected_from
        self.at, self.redirected_from = found.end(), -1
        while self.peek() and self.peek() in _BLANK:
            self.at += 1
        if self.peek() and self.peek() not in _ENDS:
            self._word()
        self.remarks.append(
            f"'{' '.join(self.text[began : self.at].split())}' is left out: every rank's output"
            " is kept in a log of its own"
        )

    def _pipe(self) -> None:
        if not re.compile(r"\|&?\s*tee\s").match(self.text, self.at):
            raise self.refuse("|", "is not read", "only a last '| tee FILE' can be left out")
        self.remarks.append("'| tee' is left out: every rank's output is kept in a log of its own")
        words = len(self.words)
        self.at += 2 if self.peek(2) == "|&" else 1
        while self.at < len(self.text) and self.peek() not in "\n;&|":
            self._next()
        del self.words[words:]

    # -- words ------------------------------------------------------------------------------

    def _word(self) -> Word:
        line, parts = self.line, list[Part]()
        quoted = False
        bare = ""
        lead: str | None = None
        while self.at < len(self.text):
            char = self.peek()
            if lead is None and char in "'\"\\$`":
                lead = bare
            if char == "(" and parts and _ASSIGNMENT.fullmatch("".join(p.text for p in parts)):
                parts.append(self._computed(self._balanced("(", ")")))
            elif char in _ENDS:
                break
            elif char == "'":
                quoted = True
                parts.append(Part(self._single()))
            elif char == '"':
                quoted = True
                parts += self._double()
            elif char == "\\":
                if re.compile(r"\\[ \t]*\n").match(self.text, self.at):
                    break
                parts.append(Part(self.text[self.at + 1 : self.at + 2]))
                self.at += 2
            elif char in "$`":
                parts.append(self._dollar())
            else:
                bare += char
                parts.append(Part(char))
                self.at += 1
        return Word(
            parts=_joined(parts),
            line=line,
            quoted=quoted,
            glob=bool(_GLOB.search(bare)),
            lead=bare if lead is None else lead,
        )

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise self.refuse("'", "opens a quote that is never closed")
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner

    def _double(self) -> list[Part]:
        began, parts = self.at, [Part("")]
        self.at += 1
        while self.peek() != '"':
            if self.at >= len(self.text):
                self.at = began
                raise self.refuse('"', "opens a quote that is never closed")
            char = self.peek()
            if char == "\\" and self.peek(2)[1:] in ("\n", '"', "\\", "$", "`"):
                escaped = self.peek(2)[1:]
                parts.append(Part("" if escaped == "\n" else escaped))
                self.at += 2
            elif char in "$`":
                parts.append(self._dollar())
            else:
                parts.append(Part(char))
                self.at += 1
        self.at += 1
        return parts

    def _dollar(self) -> Part:
        if self.peek() == "`":
            end = self.text.find("`", self.at + 1)
            if end < 0:
                raise self.refuse("`", "opens a quote that is never closed")
            raw = self.text[self.at : end + 1]
            self.at = end + 1
            return self._computed(raw)
        if self.peek(2) == "$(":
            self.at += 1
            return self._computed("$" + self._balanced("(", ")"))
        if self.peek(2) == "${":
            return self._braced()
        name = _NAME.match(self.text, self.at + 1) or _POSITIONAL.match(self.text, self.at + 1)
        if name is None:
            self.at += 1
            return Part("$")
        self.at = name.end()
        return Part(f"${name.group()}", variable=name.group())

    def _braced(self) -> Part:
        if simple := _SIMPLE.match(self.text, self.at + 1):
            self.at = simple.end()
            return Part(f"${{{simple[1]}}}", variable=simple[1], default=simple[2])
        self.at += 1
        return self._computed("$" + self._balanced("{", "}"))

    def _balanced(self, opening: str, closing: str) -> str:
        began, depth = self.at, 0
        while self.at < len(self.text):
            char = self.peek()
            if char == "'" and opening == "(":
                self._single()
                continue
            depth += (char == opening) - (char == closing)
            self.at += 2 if char == "\\" else 1
            if depth == 0:
                return self.text[began : self.at]
        self.at = began
        raise self.refuse(opening, "is never closed")

    @staticmethod
    def _computed(raw: str) -> Part:
        return Part(" ".join(raw.split()), computed=True)


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring literal pieces as one; an empty word keeps one empty piece."""
    joined: list[Part] = []
    for part in parts:
        literal = not part.variable and not part.computed
        if literal and joined and not joined[-1].variable and not joined[-1].computed:
            joined[-1] = Part(joined[-1].text + part.text)
        else:
            joined.append(part)
    return tuple(part for part in joined if part.text) or (Part(""),)
