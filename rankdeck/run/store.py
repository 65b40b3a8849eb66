"""RunStore: the runs of a state directory. Which runs exist is what the directory says."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.index import RunIndex
from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from rankdeck.run.stored import read_state, written
from rankdeck.run.summary import RunSummary, summarise

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = re.compile(r"\d{8}-\d{6}-[A-Za-z0-9._-]+-[a-z2-7]{4}")
_SECOND = 15
"""Length of the part of an id that tells the second in which the run was made."""


class RunStore:
    """Finds, lists and removes runs below `home`."""

    def __init__(self, home: Path) -> None:
        """Use `home`; nothing is touched yet."""
        self.home = home
        self.index = RunIndex(home)

    @property
    def runs_dir(self) -> Path:
        """Parent of the run directories."""
        return self.home / "runs"

    def ensure(self) -> None:
        """Make the state directory (0700) if it is not there, and refuse one others could write to.

        Raises:
            UserError: It cannot be made, is not the user's own, others may write to it, or its path
                is no UTF-8, which plans and orders could not hold.
        """
        _check_text(self.home)
        for path in (self.home, self.runs_dir):
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                facts = path.stat()
            except OSError as error:
                raise UserError(
                    f"{path}: the state directory cannot be made: {error.strerror}",
                    "set RANKDECK_HOME to a directory you can write",
                    exit_code=ExitCode.UNUSABLE,
                ) from error
            _check_private(path, facts)

    def find(self, ref: str) -> RunDir:
        """The run meant by an id, `last`, a name (its newest run), or a unique prefix or suffix.

        Raises:
            UserError: None is meant, or several; exit code 4, with the candidates.
        """
        ids = self._ids()
        if ref in ids:
            return RunDir(self.runs_dir / ref)
        if not ids:
            raise UserError(
                "there are no runs yet", "`rankdeck demo` starts one", exit_code=ExitCode.NO_RUN
            )
        if ref == "last":
            return RunDir(self.runs_dir / self._newest(ids))
        if ref and (named := self._named(ids, ref)) is not None:
            return RunDir(self.runs_dir / named)
        matches = [i for i in ids if ref and (i.startswith(ref) or i.endswith(ref))]
        if len(matches) == 1:
            return RunDir(self.runs_dir / matches[0])
        raise _not_one(ref, matches, ids)

    def remove(self, run: RunDir) -> None:
        """Delete a run that has ended, with everything in its directory.

        Raises:
            UserError: It has not ended, or it cannot be deleted.
        """
        state = read_state(run)
        if not state.state.final:
            raise UserError(
                f"{run.id} has not ended: it is {state.state.value}",
                f"end it first: rankdeck stop {run.id}",
            )
        from shutil import rmtree

        trash = self.runs_dir / f".trash-{run.id}-{os.getpid()}"
        try:
            # first out of sight as a whole, so that no one ever meets half of a run
            run.path.rename(trash)
            rmtree(trash)
        except OSError as error:
            raise UserError(
                f"{run.path}: cannot be deleted: {error.strerror}", exit_code=ExitCode.UNUSABLE
            ) from error
        self._empty_trash()

    def _ids(self) -> list[str]:
        try:
            names = os.listdir(self.runs_dir)
        except OSError:
            return []
        return sorted(filter(RUN_ID.fullmatch, names), reverse=True)

    def _newest(self, ids: list[str]) -> str:
        peers = [run_id for run_id in ids if run_id[:_SECOND] == ids[0][:_SECOND]]
        if len(peers) == 1:
            return ids[0]
        return max(peers, key=lambda run_id: _made(self.runs_dir / run_id))

    def _named(self, ids: list[str], name: str) -> str | None:
        from rankdeck.run.identity import slug

        part = slug(name)
        alike = [run_id for run_id in ids if run_id[_SECOND + 1 : -5] == part]
        if part == name:
            return self._newest(alike) if alike else None
        for run_id in alike:
            summary = self._read_summary(run_id)
            if summary is not None and summary.name == name:
                return run_id
        return None

    def _read_summary(self, run_id: str) -> RunSummary | None:
        run = RunDir(self.runs_dir / run_id)
        try:
            state = read_state(run)
            supervised = not state.state.final and lock_holder(run.supervisor_lock) is not None
        except (UserError, OSError):
            # not a run, or one that is being deleted
            return None
        alone = not state.state.final and not supervised
        return summarise(state, supervised=supervised, last_word=written(run) if alone else None)

    def _empty_trash(self) -> None:
        from shutil import rmtree

        for name in os.listdir(self.runs_dir):
            if name.startswith(".trash-"):
                rmtree(self.runs_dir / name, ignore_errors=True)

    def list(self, limit: int | None = None) -> tuple[RunSummary, ...]:
        """Summaries, newest run first; at most `limit`, and then only so many runs are opened."""
        ids = self._ids()
        wanted = ids if limit is None else ids[:limit]
        indexed = self.index.read(None if limit is None else limit)
        summaries, fresh = [], []
        for run_id in wanted:
            summary = indexed.get(run_id)
            if summary is None:
                summary = self._read_summary(run_id)
                if summary is None:
                    continue
                if summary.state.final:
                    fresh.append(summary)
            summaries.append(summary)
        with suppress(OSError):
            if limit is None and len(indexed) > 2 * len(ids) + 100:
                self.index.compact(summary for summary in summaries if summary.state.final)
            elif fresh:
                self.index.add(reversed(fresh))
        # ids of one second are ordered by name; the user expects them by time
        summaries.sort(key=lambda summary: (summary.id[:_SECOND], summary.created), reverse=True)
        return tuple(summaries)


def _made(path: Path) -> int:
    try:
        return os.stat(path / "plan.json").st_mtime_ns
    except OSError:
        return 0


def _check_text(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise UserError(
            f"{shown}: the path of the state directory is not UTF-8",
            "set RANKDECK_HOME to a directory whose path is",
            exit_code=ExitCode.UNUSABLE,
        ) from None


def _check_private(path: Path, facts: os.stat_result) -> None:
    if facts.st_uid != os.geteuid():
        raise UserError(
            f"{path}: the state directory belongs to another user (uid {facts.st_uid})",
            "set RANKDECK_HOME to a directory of your own",
            exit_code=ExitCode.UNUSABLE,
        )
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UserError(
            f"{path}: other users may write to the state directory",
            f"chmod go-w {path}",
            exit_code=ExitCode.UNUSABLE,
        )


def _not_one(ref: str, matches: list[str], ids: list[str]) -> UserError:
    if matches:
        shown = ", ".join(matches[:5]) + (" …" if len(matches) > 5 else "")
        message = f"{len(matches)} runs match {ref!r}: {shown}"
        return UserError(message, "give more of the id", exit_code=ExitCode.NO_RUN)
    from difflib import get_close_matches

    names = {run_id[_SECOND + 1 : -5] for run_id in ids[:1000]}
    close = get_close_matches(ref, names, n=3)
    hint = f"there is {', '.join(close)}" if close else "`rankdeck ls` lists the runs"
    return UserError(f"there is no run {ref!r}", hint, exit_code=ExitCode.NO_RUN)
