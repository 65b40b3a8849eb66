"""Resolving a job onto nodes. Pure."""
