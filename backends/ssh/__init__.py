"""The SSH backend: agents on hosts that are reached over SSH, without a shared file system."""
