"""The main job on real data: label every neuron of a network that reads digits."""

from invert_jax.demo.job import Findings as Findings
from invert_jax.demo.job import run as run
