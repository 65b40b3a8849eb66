"""What runs on one node: torchrun, msrun, a train.sh, or the ranks themselves."""
