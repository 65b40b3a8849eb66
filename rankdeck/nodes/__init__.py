"""Nodes and the inventories that list them."""
