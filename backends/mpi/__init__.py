"""The MPI backend: one agent per node, or every rank, started by `mpirun`."""
