"""JSON as people write it: comments and trailing commas allowed, every value with its line.

Numbers keep their own text (`1e-4` stays `1e-4`). Errors say line, column and what was expected.
"""

from __future__ import annotations

import re

import msgspec

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[^\s,:\[\]{}\"/]+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DEEPEST = 64


class JsonError(ValueError):
    """The text is not JSON, even generously read."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class JsonScalar(msgspec.Struct, frozen=True):
    """A string, number, true, false or null."""

    value: str | bool | None
    """A number's value is its text."""
    line: int
    number: bool = False


class JsonList(msgspec.Struct, frozen=True):
    """An array."""

    items: tuple[JsonValue, ...]
    line: int


class JsonObject(msgspec.Struct, frozen=True):
    """An object; repeated keys are all kept, in order."""

    members: tuple[JsonMember, ...]
    line: int


class JsonMember(msgspec.Struct, frozen=True):
    """One `"key": value` of an object."""

    key: str
    value: JsonValue
    line: int


JsonValue = JsonScalar | JsonList | JsonObject


def parse_relaxed_json(text: str) -> JsonValue:
    """The one value in `text`.

    Raises:
        JsonError: With the line and column of the first thing that cannot be read.
    """
    reader = _Reader(text)
    reader.skip()
    value = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.error("nothing may follow the end of the document")
    return value


class _Reader:
    """A position in the text, moved by reading."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._line = 1
        self._line_at = 0

    def line(self) -> int:
        self._line += self.text.count("\n", self._line_at, self.at)
        self._line_at = self.at
        return self._line

    def error(self, message: str, at: int | None = None) -> JsonError:
        at = self.at if at is None else at
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        return JsonError(message, self.text.count("\n", 0, at) + 1, column)

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        if self.text.startswith("/*", self.at):
            raise self.error("this comment is never closed with */")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def found(self) -> str:
        word = _WORD.match(self.text, self.at)
        shown = word.group()[:20] if word else self.peek()
        return repr(shown) if shown else "the end of the file"

    def value(self, depth: int) -> JsonValue:
        if depth > _DEEPEST:
            raise self.error(f"nested more than {_DEEPEST} deep")
        start = self.peek()
        if start == "{":
            return self.object(depth)
        if start == "[":
            return self.array(depth)
        if start == '"':
            line = self.line()
            return JsonScalar(self.string(), line)
        return self.word()

    def object(self, depth: int) -> JsonObject:
        line, opened = self.line(), self.at
        self.at += 1
        members: list[JsonMember] = []
        while True:
            self.skip()
            if self.peek() == "}":
                self.at += 1
                return JsonObject(tuple(members), line)
            if not self.peek():
                raise self.error("this '{' is never closed", opened)
            if self.peek() != '"':
                raise self.error(f"expected a \"key\" or '}}', found {self.found()}")
            key_line = self.line()
            key = self.string()
            self.skip()
            if self.peek() != ":":
                raise self.error(f"expected ':' after \"{key}\", found {self.found()}")
            self.at += 1
            self.skip()
            members.append(JsonMember(key, self.value(depth + 1), key_line))
            self.separator("}", f'the value of "{key}"')

    def array(self, depth: int) -> JsonList:
        line, opened = self.line(), self.at
        self.at += 1
        items: list[JsonValue] = []
        while True:
            self.skip()
            if self.peek() == "]":
                self.at += 1
                return JsonList(tuple(items), line)
            if not self.peek():
                raise self.error("this '[' is never closed", opened)
            items.append(self.value(depth + 1))
            self.separator("]", "this entry")

    def separator(self, end: str, what: str) -> None:
        self.skip()
        if self.peek() == ",":
            self.at += 1
        elif self.peek() not in (end, ""):
            raise self.error(f"expected ',' or '{end}' after {what}, found {self.found()}")

    def string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            raise self.error("this string is not closed on its line")
        try:
            text: str = msgspec.json.decode(match.group(), type=str)
        except msgspec.DecodeError:
            raise self.error("this string holds an invalid escape") from None
        except UnicodeEncodeError:
            raise self.error("this string is not valid Unicode") from None
        self.at = match.end()
        return text

    def word(self) -> JsonScalar:
        match = _WORD.match(self.text, self.at)
        word = match.group() if match else ""
        line = self.line()
        if word in ("true", "false", "null"):
            scalar = JsonScalar({"true": True, "false": False}.get(word), line)
        elif _NUMBER.fullmatch(word):
            scalar = JsonScalar(word, line, number=True)
        else:
            raise self.error(f"expected a value, found {self.found()}")
        self.at += len(word)
        return scalar
