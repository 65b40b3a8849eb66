"""The Slurm backend: one agent per node, carried by a job of the user's own."""
