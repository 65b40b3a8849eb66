"""TemplatePicker: which shapes of lines have become so common that they are read by templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.metrics.templates import MOST, Template, Templates, can_be_template

if TYPE_CHECKING:
    from rankdeck.metrics.extract import Reader

_COMMON = 64
"""So many lines of a shape, read one by one, make a template of it."""
_IDLE_BLOCKS = 64
"""After so many blocks with nothing for the templates, others are picked."""


class TemplatePicker:
    """Picks templates for what a reader reads."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._shapes: tuple[tuple[str, ...], ...] = ()
        self._templates: Templates | None = None
        self._idle = 0

    def pick(self) -> Templates | None:
        """The templates to take the next block apart by; None: nothing is common enough."""
        common = [
            (shape, plan)
            for shape, plan, _ in self._reader.commonest(_COMMON)
            if shape not in self._shapes and can_be_template(shape, plan)
        ]
        if common:
            # those that are read one by one are the common ones of now
            new = [Template(shape, plan) for shape, plan in common[:MOST]]
            old = self._templates.templates if self._templates is not None else ()
            self._templates = Templates((*new, *old)[:MOST])
            self._shapes = tuple(one.shape for one in self._templates.templates)
            self._reader.forget_counts()
        return self._templates

    def found(self, lines: int) -> None:
        """So many lines of the last block were of these shapes."""
        self._idle = 0 if lines else self._idle + 1
        if self._idle > _IDLE_BLOCKS:
            self._templates, self._shapes, self._idle = None, (), 0
