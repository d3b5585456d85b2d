"""Input 2: what each neuron does on each sample."""

from invert_jax.activations.array import Activations as Activations
from invert_jax.activations.batches import batched as batched
from invert_jax.activations.capture.layer_list import layers as layers
from invert_jax.activations.collecting.collection import collect as collect
from invert_jax.activations.directions import encode as encode
from invert_jax.activations.directions import project as project
from invert_jax.activations.store.opening import open_store as open_store
from invert_jax.datasets.batch import Batch as Batch
from invert_jax.sample_ids import position_ids as position_ids
