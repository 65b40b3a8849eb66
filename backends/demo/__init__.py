"""A simulated cluster: nodes and ranks that exist only in files. Nothing is executed."""
