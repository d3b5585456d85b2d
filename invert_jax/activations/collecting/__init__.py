"""Run a model over batches and keep what its layers put out."""
