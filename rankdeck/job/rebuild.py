"""The job of an earlier run, to look at or to run again with changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import Resolution, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rankdeck.run.layout import RunDir


def rebuild_job(
    run: RunDir, cwd: Path, environ: Mapping[str, str], changes: JobDraft | None = None
) -> Resolution:
    """The job of `run` with `changes` on top, checked against the project as it is now.

    Raises:
        InvalidJobError: It can no longer be run as it was described.
    """
    return resolve(str(run.job), changes or JobDraft(), cwd, environ)
