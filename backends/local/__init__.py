"""The local backend: one agent on this machine, a child of the supervisor."""

from __future__ import annotations

from backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]
