"""What runs on one node: torchrun, a train.sh, or the ranks themselves."""
