"""Small questions to nodes: what is there, and what runs have left behind."""
