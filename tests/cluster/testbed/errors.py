"""The one error of the test bed: what failed, and what its command printed."""

from __future__ import annotations


class BedError(Exception):
    """The bed cannot do what was asked; the text says why."""
