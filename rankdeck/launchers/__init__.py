"""What runs on one node: torchrun and its kin, a train.sh, or the ranks themselves."""
