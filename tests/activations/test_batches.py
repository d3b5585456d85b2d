import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations import collect
from invert_jax.activations.batches import (
    alike_batches,
    batched,
    count_samples,
    full_batches,
    skip_samples,
)
from invert_jax.datasets.batch import Batch


def test_small_batches_are_filled_up_to_the_first():
    batches = list(full_batches([Batch(np.zeros((3, 2))), Batch(np.ones((1, 2)))], 3))
    assert [batch.inputs.shape for batch in batches] == [(3, 2), (3, 2)]
    assert [batch.num_samples for batch in batches] == [3, 1]


def test_batches_are_cut_anew_whatever_their_size():
    whole = np.arange(11)
    for cuts in ([], [1], [4], [4, 8], [2, 3, 9], [10]):
        batches = map(Batch, np.split(whole, cuts))
        got = list(full_batches(batches, 4))
        assert [batch.inputs.tolist() for batch in got] == [
            [0, 1, 2, 3],
            [4, 5, 6, 7],
            [8, 9, 10, 10],
        ]
        assert [batch.num_samples for batch in got] == [4, 4, 3]


def test_batches_may_be_smaller_than_the_size_they_are_filled_to():
    (batch,) = full_batches([Batch(jnp.arange(3.0))], 5)
    np.testing.assert_array_equal(batch.inputs, [0, 1, 2, 2, 2])


@pytest.mark.parametrize("skipped", [0, 1, 3, 4, 5])
def test_skipped_samples_are_left_out_and_checked(skipped):
    checked: list[int] = []

    def check(batch, start):
        assert start == len(checked)
        checked.extend(batch.inputs.tolist())

    batches = batched(np.arange(5), 2)
    rest = [list(batch.inputs) for batch in skip_samples(batches, skipped, check)]

    assert checked == list(range(skipped))
    assert [sample for batch in rest for sample in batch] == [*range(skipped, 5)]
    assert all(rest)


def test_fewer_samples_than_are_to_be_skipped_are_refused():
    with pytest.raises(ValueError, match=r"the 3 samples .* ended after 2"):
        list(skip_samples([Batch(np.arange(2))], 3, lambda batch, start: None))


def test_samples_are_counted_where_they_can_be():
    assert count_samples([np.zeros((3, 2)), np.zeros((1, 2))]) == 4
    assert count_samples(iter([np.zeros((3, 2))])) is None


def test_trees_ids_and_masks_stay_together():
    inputs = {"x": np.arange(5), "y": (np.arange(5) * 2,)}
    where = np.arange(5)[:, None] < np.array([3, 4])

    batches = batched(inputs, 2, ids=list("abcde"), where=where)
    last = list(full_batches(alike_batches(batches), 2))[-1]

    assert last.inputs["x"].tolist() == [4, 4]
    np.testing.assert_array_equal(last.ids, ["e"])
    assert last.where.tolist() == [[False, False]] * 2


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (np.zeros((4, 2)), TypeError, "Cut it up by batched"),
        (Batch(np.zeros((4, 2))), TypeError, "single Batch"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], ValueError, r"\(4,\) in batch 1"),
        ([{"x": np.zeros((2, 3))}, {"x": np.zeros((2, 1))}], ValueError, r"\['x'\]"),
        ([np.zeros(2), np.zeros(2, int)], TypeError, "int64 in batch 1"),
        ([{"x": np.zeros(2)}, {"y": np.zeros(2)}], ValueError, "the same arrays"),
        ([Batch(np.zeros(2), ids=[1, 2]), np.zeros(2)], ValueError, "the same arrays"),
        ([np.array(["a", "b"])], TypeError, "names of samples go to"),
        ([{"x": np.zeros(2), "y": np.zeros(3)}], ValueError, "first axis of every"),
        ([Batch(np.zeros(2), ids=[1, 2, 3])], ValueError, "first axis of every"),
        ([{"x": np.zeros(2), "step": 3}], ValueError, "first axis of every"),
        ([np.zeros((0, 2))], ValueError, "at least one sample"),
        ([{}], ValueError, "at least one array"),
        (
            [Batch(np.zeros(1), ids=[1]), Batch(np.zeros(1), ids=["a"])],
            TypeError,
            "one dtype",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused(batches, error, message):
    with pytest.raises(error, match=message):
        list(alike_batches(batches))


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_whole_numbers_that_jax_would_wrap_are_refused(value):
    batches = [Batch({"tokens": np.array([0, value])})]
    with pytest.raises(ValueError, match=r"fit int32.*in batch 0 at \['tokens'\]"):
        list(alike_batches(batches))


def test_the_array_that_differs_is_named():
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"inputs \(2, 3\), ids \(3,\)"):
        list(alike_batches([Batch(x, ids=np.arange(3))]))
    with pytest.raises(ValueError, match="Only batch 0 has the array of its `where`"):
        list(alike_batches([Batch(x, where=x > 0), Batch(x)]))


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        batched(np.zeros(3), 0)


def test_the_first_pattern_of_where_counts_as_it_does_for_functions():
    inputs = np.arange(8.0, dtype=np.float32).reshape(2, 2, 2)
    first = np.array([[True, False], [True, False]])
    where = {"enc*": first, "*": ~first}
    model = lambda x: {"encoder": x}  # noqa: E731

    by_array = collect(model, [Batch(inputs, where=where)], progress=False)
    by_function = collect(
        model,
        [inputs],
        where={
            "enc*": lambda x: jnp.asarray(first),
            "*": lambda x: jnp.asarray(~first),
        },
        batch_size=2,
        progress=False,
    )

    np.testing.assert_array_equal(by_array["encoder"], by_function["encoder"])
    np.testing.assert_array_equal(by_array["encoder"], inputs[:, 0])


class Refilled:
    """Yields the same memory again and again, and forgets what was in it."""

    def __init__(self, whole, size, wrap=lambda part: part):
        self.whole, self.size, self.wrap = whole, size, wrap
        self.memory = jax.tree.map(lambda array: np.empty_like(array[:size]), whole)

    def __iter__(self):
        for start in range(0, len(jax.tree.leaves(self.whole)[0]), self.size):
            jax.tree.map(self._fill, self.memory, self._part(start))
            yield jax.tree.map(self.wrap, self.memory)
            jax.tree.map(lambda array: array.fill(0), self.memory)

    def _part(self, start):
        return jax.tree.map(lambda array: array[start : start + self.size], self.whole)

    @staticmethod
    def _fill(memory, part):
        memory[:] = part


@pytest.mark.parametrize("size", [2, 8, 32, 48])
@pytest.mark.parametrize("wrap", [np.asarray, jax.device_put], ids=["numpy", "jax"])
def test_a_loader_may_fill_the_same_memory_again(size, wrap):
    inputs = {"a": np.arange(96.0, dtype=np.float32), "b": [np.arange(96) % 7]}
    loader = Refilled(inputs, size, wrap)

    got = list(full_batches(alike_batches(loader), 32))

    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *(b.inputs for b in got))
    jax.tree.map(np.testing.assert_array_equal, whole, inputs)


@pytest.mark.parametrize("kind", ["int64", "S2", "U2"])
def test_masks_and_ids_may_lie_in_memory_that_is_filled_again(kind):
    ids = np.arange(96).astype(kind)
    values = np.arange(96 * 3, dtype=np.float32).reshape(96, 3, 1)
    where = {"tokens": np.arange(96)[:, None] % 3 >= np.arange(3)}
    loader = Refilled(Batch(values, ids, where), 8)

    layer = collect(lambda x: {"tokens": x}, loader, pool="last", progress=False)

    wanted = np.arange(96) * 3 + np.arange(96) % 3
    np.testing.assert_array_equal(np.asarray(layer["tokens"])[:, 0], wanted)
    np.testing.assert_array_equal(
        layer["tokens"].ids, np.arange(96).astype("int64" if kind == "int64" else str)
    )
