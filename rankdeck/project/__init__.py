"""The project folder: entry, hyperparameters, interpreter, scaffolds."""
