"""Templates: jobs kept under a name, each a job.yaml file whose first comment describes it.

A template without a `project` is a job for whatever folder it is started in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError
from rankdeck.job.draft import JobDraft
from rankdeck.job.dump import draft_to_yaml
from rankdeck.job.resolve import launcher_for
from rankdeck.job.spec import JobSpec
from rankdeck.library.names import templates_folder
from rankdeck.library.secrets import SecretChoice, found_secrets, without_secrets
from rankdeck.library.shelf import Kept, Shelf, with_description

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Template = Kept
"""One template: name, path, description, draft, problems."""


class TemplateStore(Shelf):
    """The user's templates."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which need not exist before the first template is saved."""
        super().__init__(folder, "template")

    def save(
        self,
        name: str,
        job: JobSpec | JobDraft | str,
        description: str = "",
        *,
        overwrite: bool = False,
        secrets: SecretChoice = SecretChoice.REFUSE,
    ) -> Path:
        """Keep a job under a name.

        Args:
            name: What it is called from now on.
            job: The job, or the text of a job.yaml, which keeps its comments.
            description: One line for lists; empty: the text's own first comment.
            overwrite: Replace a template of that name.
            secrets: What becomes of values that look like secrets.

        Raises:
            InvalidJobError: The text is no job.yaml; with file and line.
            SecretsFoundError: There are secrets, and `secrets` does not say what to do.
            UserError: It cannot be a name, there is one already, or it cannot be written.
        """
        path = self.path(name)
        if isinstance(job, str):
            kept = self.parse(job, name)
            if kept.problems:
                raise InvalidJobError(kept.problems)
            draft, text = kept.draft, job
        else:
            draft = template_of(job)
            text = draft_to_yaml(draft)
        if found_secrets(draft) and secrets is not SecretChoice.KEEP:
            clean = without_secrets(draft, secrets)
            text = draft_to_yaml(clean)
        if text and not text.endswith("\n"):
            text += "\n"
        self.write(name, with_description(text, description), overwrite=overwrite)
        return path


def template_store(environ: Mapping[str, str] = os.environ) -> TemplateStore:
    """The templates in the user's config folder."""
    return TemplateStore(templates_folder(environ))


def template_of(job: JobSpec | JobDraft) -> JobDraft:
    """What of a job is worth keeping: no value that is the default anyway, short paths.

    A job that was run has every field; a template of it shall say what its author meant.
    """
    given = {name: getattr(job, name) for name in JobSpec.__struct_fields__}
    for field in msgspec.structs.fields(JobSpec):
        value = given[field.name]
        if (field.default is not msgspec.NODEFAULT and value == field.default) or value in ((), {}):
            given[field.name] = None
    project, entry = given["project"], given["entry"]
    if project and entry and entry.startswith(f"{project}/"):
        given["entry"] = os.path.relpath(entry, project)
    if entry and job.launcher is not None:
        # what the name of the file suggests need not be said, anything else must be
        given["launcher"] = None if launcher_for(entry) == job.launcher else job.launcher
    if isinstance(pass_as := given["pass_as"], str):
        given["pass_as"] = getattr(pass_as, "value", pass_as)
    return JobDraft(**given)
