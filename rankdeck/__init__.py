"""What a training job is and how a run of it lives: specs, plans, agents, runs, logs, diagnosis.

This package never imports textual, rich, paramiko or torch, and nothing of `backends` or `tui`.
"""

from __future__ import annotations

__version__ = "0.1.0"
