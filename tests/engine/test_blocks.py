from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import jax
import ml_dtypes
import numpy as np
import pytest

import invert_jax as ij
from invert_jax.core import exact
from invert_jax.engine.blocks import CPU_BLOCK, Blocks
from tests import small_runs
from tests.small_runs import assert_same, explain


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


def both_ranked(world, activations, **changes):
    """The block ranked on the host and on the devices."""
    blocks = Blocks(world.concepts, devices=None, **changes)
    with ThreadPoolExecutor(2) as threads:
        on_host = blocks.ranker.rank_on_host(activations, 8, threads)
    return on_host, blocks.ranker.rank_on_devices(activations, 8)


def assert_ranked_alike(on_host, on_devices):
    for one, other in zip(chain(*on_host), chain(*on_devices), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize(
    "dtype",
    [np.float16, ml_dtypes.bfloat16, np.float32, np.int8, np.uint16, np.uint32, bool],
    ids=lambda dtype: np.dtype(dtype).name,
)
def test_the_devices_rank_as_the_host_does(world, dtype):
    activations = (8 * world.activations).astype(np.int32)
    if np.dtype(dtype).kind in "ub":
        activations = np.maximum(activations, 0)
    assert_ranked_alike(*both_ranked(world, activations.astype(dtype)))


def test_the_devices_rank_extreme_numbers_as_the_host_does(world):
    extremes = np.array(
        [-0.0, 0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, 1, -1], np.float32
    )
    activations = extremes[np.random.default_rng(0).integers(9, size=(60, 8))]
    activations[:, 0] = extremes[:2].repeat(30)
    on_host, on_devices = both_ranked(world, activations, negative=True)
    assert_ranked_alike(on_host, on_devices)
    _, ties = on_host
    assert ties.is_constant.tolist() == [True] + [False] * 7


def test_blocks_that_are_not_full_are_filled_with_neurons_of_no_weight(world):
    on_host, on_devices = both_ranked(world, world.activations[:, :3])
    assert_ranked_alike(on_host, on_devices)
    block, ties = on_host
    assert len(block.weights) == 8 and len(block.is_active) == len(ties.tie_sums) == 3
    assert not np.asarray(block.weights[3:]).any()


def test_weights_are_the_row_sums_of_the_ranks(world):
    (block, _), _ = both_ranked(world, world.activations)
    limbs = np.asarray(block.weights, np.int64)
    scale = 2 ** (exact.LIMB_BITS * np.arange(limbs.shape[2]))
    sums = np.einsum("ncls,l->ncs", limbs, scale).reshape(8, -1)
    table = world.concepts
    for j, activations in enumerate(world.activations.T):
        less = (activations[:, None] > activations).sum(1)
        more = (activations[:, None] < activations).sum(1)
        expected = np.bincount(table.row_of_sample, less - more, table.num_rows)
        np.testing.assert_array_equal(sums[j, : table.num_rows], expected)
        assert not sums[j, table.num_rows :].any()


def test_blocks_shrink_with_the_budget_and_never_vanish(world):
    blocks = Blocks(world.concepts, devices=None)
    sizes = [
        blocks.size(10_000, beam=5, listed=32, budget=budget)
        for budget in (1 << 30, 1 << 21, 1 << 20, 1 << 10)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2] > sizes[3] == blocks.mesh.size


def test_layers_share_one_size_whatever_their_own(world):
    blocks = Blocks(world.concepts, devices=[jax.devices()[0]])
    sizes = {
        blocks.size(count, beam=3, listed=32, budget=1 << 30)
        for count in (1, 2, 9, 100, 128, 10_000)
    }
    assert sizes == {CPU_BLOCK}


def test_blocks_of_a_long_search_are_little_larger_than_needed(world):
    blocks = Blocks(world.concepts, devices=[jax.devices()[0]])
    for count in (1, 10, 16, 17, 64, 65, 100, 1000):
        sizes = {
            blocks.size(count, beam=beam, listed=32, budget=1 << 50, steps=3)
            for beam in (20_000, 30_000)
        }
        (size,) = sizes
        assert size in (4, 8, 16, 32, 64)
        assert -count % size <= max(3, count / 8)


@pytest.fixture(scope="module")
def long_world():
    return small_runs.make_long_world()


def test_the_memory_budget_changes_nothing(long_world):
    activations, concepts = long_world
    found = []
    for budget in (1 << 20, 1 << 30):
        blocks = Blocks(concepts, devices=None)
        size = blocks.size(100, beam=2, listed=32, budget=budget)
        assert (size < 50) == (budget == 1 << 20)
        options = ij.Options(memory_budget=budget, progress=False)
        changes = {**small_runs.LONG_SETTINGS, "options": options}
        found.append(explain(activations, concepts, **changes))
    assert_same(*found)
    # Other neurons share each block.
    reversed_neurons = np.arange(100)[::-1]
    changed = explain(activations, concepts, neurons=reversed_neurons, **changes)
    assert_same(changed.take(reversed_neurons), found[0])


def test_the_memory_budget_changes_no_auroc(long_world):
    activations, concepts = long_world
    scores = [
        ij.auroc(
            activations,
            concepts.masks(),
            options=ij.Options(memory_budget=budget, progress=False),
        )
        for budget in (1 << 20, 1 << 30)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0][7] == 0.5).all()
