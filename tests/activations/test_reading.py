import numpy as np

from invert_jax.activations.array import Activations
from invert_jax.activations.reading import read_block


class OneColumn:
    """A matrix that reads every column into the same memory."""

    def __init__(self, values):
        self.source, self.memory = values, np.empty((len(values), 1), values.dtype)
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, index):
        self.memory[:] = self.source[index]
        return self.memory


def test_columns_may_be_read_into_the_same_memory(rng):
    values = rng.normal(size=(9, 5))
    neurons = np.array([3, 0, 4])
    block = read_block(Activations(OneColumn(values)), neurons, None)
    np.testing.assert_array_equal(block, values[:, neurons])
