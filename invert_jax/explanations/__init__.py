"""The result: for each neuron the formulas that it detects best."""

from invert_jax.explanations.explanations import Explanations as Explanations
from invert_jax.explanations.null import Null as Null
