"""A run's job again, without some of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.draft import JobDraft
from rankdeck.job.load import load_job_yaml
from rankdeck.run.blame import Selection, without

if TYPE_CHECKING:
    from collections.abc import Collection

    from rankdeck.run.layout import RunDir


def without_nodes(run: RunDir, nodes: Collection[str], draft: JobDraft | None = None) -> JobDraft:
    """The changes to the run's job that leave these nodes out.

    Args:
        run: The run whose job it is.
        nodes: The nodes to leave out.
        draft: Other changes; what they say about nodes counts instead of what the job says.

    Raises:
        InvalidJobError: The choice of nodes cannot be read, or no node would be left.
        UserError: The job cannot be read.
    """
    changes = draft or JobDraft()
    said = changes if changes.include or changes.exclude else load_job_yaml(run.job)
    given = Selection(include=said.include or "", exclude=said.exclude or "")
    selection = without(given, nodes)
    return msgspec.structs.replace(
        changes, include=selection.include or None, exclude=selection.exclude or None
    )
