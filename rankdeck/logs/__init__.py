"""The log engine: index, tail, search, merge by time, sanitise."""
