"""Input 2: what each neuron does on each sample."""

from invert_jax.activations.array import Activations as Activations
from invert_jax.activations.batches import Batch as Batch
from invert_jax.activations.batches import batched as batched
from invert_jax.activations.collection import collect as collect
from invert_jax.activations.directions import encode as encode
from invert_jax.activations.directions import project as project
from invert_jax.activations.listing import layers as layers
from invert_jax.activations.pooling import position_ids as position_ids
from invert_jax.activations.store import open_store as open_store
