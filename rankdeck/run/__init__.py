"""How a run lives on disk: layout, events, state, supervisor, control, views."""
