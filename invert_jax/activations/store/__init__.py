"""Activations on disk: how they lie there, and how they are opened."""
