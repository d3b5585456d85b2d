"""Concepts from the labels of TFDS data sets."""
