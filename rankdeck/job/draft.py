"""JobDraft: a job as described so far, by one source or by several merged.

Every field has the name of its JobSpec field and None for "not said". Values may still be text;
`rankdeck.job.resolve` reads, completes and checks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.fields import option_of

if TYPE_CHECKING:
    from rankdeck.errors import Problem


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value was written, for the sentence that says what is wrong with it."""

    file: str = ""
    line: int = 0
    key: str = ""
    """The key or option as the user wrote it."""


class JobDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An incomplete job. Numbers, durations and switches may be given as text."""

    name: str | None = None
    entry: str | None = None
    project: str | None = None
    args: tuple[str, ...] | str | None = None
    launcher: str | None = None
    launcher_args: tuple[str, ...] | str | None = None
    backend: str | None = None
    python: str | None = None
    nnodes: int | str | None = None
    nproc_per_node: int | str | None = None
    hostfile: str | None = None
    host: tuple[str, ...] | str | None = None
    include: str | None = None
    exclude: str | None = None
    master_addr: str | None = None
    master_port: int | str | None = None
    hyperparameters: dict[str, str] | None = None
    pass_as: str | None = None
    env: dict[str, str] | None = None
    setup: str | None = None
    dataset_dir: str | None = None
    model_dir: str | None = None
    output_dir: str | None = None
    time_limit: float | str | None = None
    max_restarts: int | str | None = None
    grace: float | str | None = None
    hooks: bool | str | None = None
    backend_options: dict[str, str | int | float | bool] | None = None

    sources: dict[str, Source] = msgspec.field(default_factory=dict)
    """By field name, or `field.key` for one entry of a mapping. A value without a source came
    from the command line or a form and is named by its option."""

    def merged(self, over: JobDraft) -> JobDraft:
        """This draft with everything that `over` says on top; mappings merge by key.

        The options of one backend or launcher mean nothing to another: they go when `over` names
        another.
        """
        if over.launcher is not None and self.launcher not in (None, over.launcher):
            below = msgspec.structs.replace(self, launcher=None, launcher_args=None)
            return below.merged(over)
        if over.backend is not None and self.backend not in (None, over.backend):
            return self._without_backend_options().merged(over)
        changes: dict[str, object] = {}
        sources = dict(self.sources)
        for name in self.__struct_fields__:
            given = getattr(over, name)
            if name == "sources" or given is None or given == ():
                continue
            below = getattr(self, name)
            changes[name] = {**below, **given} if isinstance(below, dict) else given
            for key in _source_keys(name, given):
                sources.pop(key, None)
        for narrowed, widened in (("host", "hostfile"), ("hostfile", "host")):
            if narrowed in changes and widened not in changes:
                changes[widened] = None
        sources.update(over.sources)
        return msgspec.structs.replace(self, **changes, sources=sources)

    def _without_backend_options(self) -> JobDraft:
        sources = {
            field: source
            for field, source in self.sources.items()
            if field.partition(".")[0] not in ("backend", "backend_options")
        }
        return msgspec.structs.replace(self, backend=None, backend_options=None, sources=sources)

    def source(self, field: str) -> Source:
        """Where `field` (or `field.key`) was given."""
        return self.sources.get(field) or Source(key=option_of(field))


def located(problem: Problem, sources: dict[str, Source]) -> Problem:
    """The problem with the place where its field was written, unless it has one already."""
    from dataclasses import replace

    if problem.file or not problem.field:
        return problem
    source = sources.get(problem.field)
    if source is None:
        return problem
    return replace(problem, file=source.file, line=source.line, key=source.key or problem.key)


def _source_keys(field: str, value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{field}.{key}" for key in value]
    return [field]
