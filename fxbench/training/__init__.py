"""Training a network on a dataset: what `fxbench train` and its trainers share."""
