"""Several real hosts on one machine: namespaces, each with the real daemons and a wire of its own.

Standard library only and Python 3.10, so that a bare machine can use it; root is needed. Every
host has its own address, name, processes and /tmp; everything else of the file system is shared,
as with NFS. The login node has no default route, so nothing that runs there leaves the machine.
"""
