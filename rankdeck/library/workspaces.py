"""Workspaces: named sets of nodes, limits and defaults that new jobs begin from.

A workspace is a part of a job.yaml. One of them may be the current one; a job's own file and its
options win over it, and its nodes are left out where the job names another backend.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem, UserError
from rankdeck.job.dump import draft_to_yaml
from rankdeck.job.fields import FIELDS
from rankdeck.library.names import check_name, current_file, workspaces_folder
from rankdeck.library.secrets import SecretChoice, without_secrets
from rankdeck.library.shelf import Kept, Shelf, with_description
from rankdeck.run.files import read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rankdeck.job.draft import JobDraft

Workspace = Kept
"""One workspace: name, path, description, draft, problems."""

OF_JOBS = (
    "name", "project", "entry", "args", "launcher", "launcher_args", "hyperparameters", "pass_as",
    "dataset_dir", "model_dir",
)  # fmt: skip
"""What a job says and a workspace does not."""
_LONGEST = 4096


class WorkspaceStore(Shelf):
    """The user's workspaces."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`; which one is current stands in a file beside it."""
        super().__init__(folder, "workspace")
        self._current = folder.parent / current_file().name

    def save(
        self,
        name: str,
        job: JobDraft | str,
        description: str = "",
        *,
        overwrite: bool = False,
        secrets: SecretChoice = SecretChoice.REFUSE,
    ) -> Path:
        """Keep what of a job is no job's own under a name.

        Args:
            name: What it is called from now on.
            job: A draft, or the text of a file, which keeps its comments.
            description: One line for lists; empty: the text's own first comment.
            overwrite: Replace a workspace of that name.
            secrets: What becomes of values that look like secrets.

        Raises:
            InvalidJobError: The text is no workspace; with file and line.
            SecretsFoundError: There are secrets, and `secrets` does not say what to do.
            UserError: It cannot be a name, there is one already, or it cannot be written.
        """
        path = self.path(name)
        if isinstance(job, str):
            kept = self.parse(job, name)
            if kept.problems:
                raise InvalidJobError(kept.problems)
            draft, text = kept.draft, job
            clean = without_secrets(draft, secrets)
            text = text if clean is draft else draft_to_yaml(clean)
        else:
            own = msgspec.structs.replace(job, **dict.fromkeys(OF_JOBS), sources={})
            text = draft_to_yaml(without_secrets(own, secrets))
            if not text.strip():
                raise UserError(
                    "there is nothing to keep: no nodes, limits or defaults are given",
                    "give some, as --backend ssh --hostfile hosts",
                )
        self.write(name, with_description(text, description), overwrite=overwrite)
        return path

    def remove(self, name: str) -> None:
        """Forget that one; if it was the current one, there is none any more."""
        super().remove(name)
        if self.current == name:
            self.use(None)

    @property
    def current(self) -> str:
        """The name of the current one; empty: there is none."""
        try:
            raw = read_regular(self._current, _LONGEST) or b""
        except OSError:
            return ""
        return raw.decode("utf-8", "replace").strip()

    def use(self, name: str | None) -> None:
        """Let new jobs begin from that one, or (None) from none.

        Raises:
            UserError: There is none of that name, it is broken, or that cannot be written down.
        """
        if name is not None:
            kept = self.get(name)
            if kept.problems:
                raise InvalidJobError(kept.problems)
        try:
            if name is None:
                self._current.unlink(missing_ok=True)
            else:
                self._current.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomic(self._current, f"{name}\n".encode())
        except OSError as error:
            raise UserError(f"{self._current} cannot be written: {error.strerror}") from error

    def _kept(self, path: Path, data: bytes, modified: float) -> Kept:
        kept = super()._kept(path, data, modified)
        wrong = tuple(
            Problem(
                "belongs to a job, not to a workspace",
                file=kept.path,
                line=kept.draft.source(field).line,
                key=field,
                field=field,
            )
            for field in OF_JOBS
            if getattr(kept.draft, field) is not None
        )
        if not kept.problems:
            wrong += _unreadable(kept)
        return msgspec.structs.replace(kept, problems=(*kept.problems, *wrong))


def workspace_store(environ: Mapping[str, str] = os.environ) -> WorkspaceStore:
    """The workspaces in the user's config folder."""
    return WorkspaceStore(workspaces_folder(environ))


def base_of(
    target: str | None, environ: Mapping[str, str] = os.environ, name: str | None = None
) -> JobDraft | None:
    """What a job begins from: the workspace of that name, else the current one.

    The record of a run is complete: it begins from nothing unless a workspace is named.

    Args:
        target: What is to be run, as `resolve` takes it.
        environ: Where the config folder is.
        name: A workspace; None: the current one; empty: none.

    Raises:
        InvalidJobError: The workspace is broken; with file and line.
        UserError: There is none of that name.
    """
    if name == "" or (name is None and _is_record(target)):
        return None
    if name is None and not os.path.lexists(current_file(environ)):
        return None
    store = workspace_store(environ)
    wanted = name if name is not None else store.current
    if not wanted:
        return None
    try:
        kept = store.get(check_name(wanted, store.what))
    except UserError as error:
        if name is not None:
            raise
        raise UserError(
            f"the current workspace cannot be used: {error.message}",
            "choose another one with 'rankdeck workspace use NAME', or none with '--none'",
        ) from None
    if kept.problems:
        raise InvalidJobError(kept.problems)
    return kept.draft


def nodes_text(workspace: Workspace) -> str:
    """Which nodes it gives, in a few words."""
    draft = workspace.draft
    host = ",".join(draft.host) if isinstance(draft.host, tuple) else draft.host
    words = [
        draft.include or host or (draft.hostfile or ""),
        f"without {draft.exclude}" if draft.exclude else "",
        f"{draft.nnodes} node{'' if str(draft.nnodes) == '1' else 's'}" if draft.nnodes else "",
    ]
    return ", ".join(word for word in words if word)


def _is_record(target: str | None) -> bool:
    """Whether a job file is the record of a run."""
    return target is not None and os.path.exists(os.path.join(os.path.dirname(target), "plan.json"))


def _unreadable(kept: Kept) -> tuple[Problem, ...]:
    """Values that are not such as their fields take."""
    wrong = []
    for field in FIELDS:
        value = getattr(kept.draft, field.name)
        if value is None:
            continue
        try:
            field.read(value)
        except ValueError as error:
            source = kept.draft.source(field.name)
            wrong.append(
                Problem(
                    str(error),
                    file=kept.path,
                    line=source.line,
                    key=field.name,
                    field=field.name,
                )
            )
    return tuple(wrong)
