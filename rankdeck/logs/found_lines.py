"""FoundLines: lines as they were read, many in one piece; told apart only where somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterator


class FoundLines(Sequence[bytes]):
    """Lines without their newlines, in order; equal to any list of the same lines."""

    __slots__ = ("_pieces",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self._pieces: list[bytes | list[bytes]] = []

    def add(self, piece: bytes | list[bytes]) -> None:
        """Take some more: as one text with newlines between them, or one by one."""
        if piece or isinstance(piece, bytes):
            self._pieces.append(piece)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __len__(self) -> int:
        return sum(
            len(piece) if isinstance(piece, list) else piece.count(b"\n") + 1
            for piece in self._pieces
        )

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield from piece if isinstance(piece, list) else piece.split(b"\n")

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FoundLines | list):
            return NotImplemented
        return list(self) == list(other)

    def __repr__(self) -> str:
        return f"FoundLines({list(self)!r})"

    def text(self, prefix: bytes = b"") -> bytes:
        """All of them, each with this before it and a newline behind it."""
        between = b"\n" + prefix
        return b"".join(
            prefix
            + (between.join(piece) if isinstance(piece, list) else piece.replace(b"\n", between))
            + b"\n"
            for piece in self._pieces
        )
