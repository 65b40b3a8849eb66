"""The screens; none imports another."""
