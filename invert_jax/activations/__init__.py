"""Input 2: what each neuron does on each sample."""

from invert_jax.activations.array import Activations as Activations
