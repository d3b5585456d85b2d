"""Input 1: what is true of each sample."""

from invert_jax.concepts.table import Concepts as Concepts
