"""Threads of our own for everything that may wait for a disk: few, named, and never waited for.

Textual's thread workers share a small pool and keep the program from ending; these do neither.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WAITING_AT_MOST = 64


class WorkPool:
    """A bounded set of daemon threads that do jobs in order."""

    def __init__(self, threads: int = 2) -> None:
        """Prepare; the threads start with the first job."""
        self._size = threads
        self._jobs: OrderedDict[object, Callable[[], None]] = OrderedDict()
        self._ready = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, job: Callable[[], None], key: object = None) -> bool:
        """Queue a job; a waiting one with the same key is replaced. False: too many wait."""
        with self._ready:
            if self._closed:
                return False
            name = object() if key is None else key
            if name not in self._jobs and len(self._jobs) >= _WAITING_AT_MOST:
                return False
            self._jobs[name] = job
            if len(self._threads) < self._size:
                thread = threading.Thread(target=self._serve, name="deck-work", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._ready.notify()
        return True

    def close(self) -> None:
        """Take no more jobs and forget the waiting ones; what runs is not waited for."""
        with self._ready:
            self._closed = True
            self._jobs.clear()
            self._ready.notify_all()

    def _serve(self) -> None:
        while True:
            with self._ready:
                while not self._jobs and not self._closed:
                    self._ready.wait()
                if self._closed:
                    return
                _, job = self._jobs.popitem(last=False)
            job()
