"""Completes paths as they are typed, on another thread: a dead file system delays no key."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from textual.suggester import Suggester

from tui.form.paths import path_choices

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.work import WorkPool

_PATIENCE = 2.0


class PathSuggester(Suggester):
    """The first path that begins as what was typed."""

    def __init__(self, pool: WorkPool, base: Callable[[], str], *, folders_only: bool) -> None:
        """Complete.

        Args:
            pool: Where folders are read.
            base: What relative paths are relative to now.
            folders_only: Leave out files.
        """
        super().__init__(use_cache=False, case_sensitive=True)
        self._pool = pool
        self._base = base
        self._folders_only = folders_only

    async def get_suggestion(self, value: str) -> str | None:
        """The path; None: there is none, or it cannot be told in time."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str | None] = loop.create_future()
        base = self._base()

        def answer(text: str | None) -> None:
            if not found.done():
                found.set_result(text)

        def look() -> None:
            choices = path_choices(value, base, folders_only=self._folders_only)
            # the program may have ended meanwhile
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(answer, choices[0] if choices else None)

        if not self._pool.submit(look, key=("complete", id(self))):
            return None
        try:
            return await asyncio.wait_for(found, _PATIENCE)
        except asyncio.TimeoutError:
            return None
