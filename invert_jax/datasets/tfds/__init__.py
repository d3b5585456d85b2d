"""TFDS data sets as they are on disk, read without TensorFlow."""
