"""Which rank failed first, and why."""
