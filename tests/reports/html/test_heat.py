import numpy as np
import pytest

from invert_jax.reports.html.heat import MapReader, averaged_down


def test_a_map_is_scaled_by_the_largest_value_of_its_unit():
    maps = np.zeros((3, 2, 2, 2))
    maps[:, 0, 0, 1] = [4.0, 2.0, -1.0]
    reader = MapReader(maps, num_samples=3, num_neurons=2, ids=None)
    found = reader.read(np.array([[0, 1, 2, -1]]), np.array([1]))
    assert found[0, :, 0, 0].tolist() == [255, 128, 0, 0]
    assert not found[0, :, 1].any()


def test_a_function_is_asked_for_each_sample_once_by_its_id():
    asked = []

    def maps_of(ids):
        asked.extend(ids.tolist())
        return np.ones((len(ids), 3, 5, 4))

    ids = np.array(["a", "b", "c", "d"])
    reader = MapReader(maps_of, num_samples=4, num_neurons=4, ids=ids)
    samples = np.array([[3, 1], [1, 0]])
    assert reader.read(samples, np.array([0, 2])).shape == (2, 2, 3, 5)
    assert asked == ["a", "b", "d"]


def test_large_maps_are_averaged_down(rng):
    values = rng.random((32, 40))
    found = averaged_down(values)
    assert found.shape == (16, 16)
    np.testing.assert_allclose(found[0, 0], values[:2, :2].mean())
    np.testing.assert_allclose(averaged_down(values[:3, :3]), values[:3, :3])


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 4, 4, 5), (3, 4, 4, 4)])
def test_maps_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"`maps` must be of shape .* got shape"):
        MapReader(np.zeros(shape), num_samples=3, num_neurons=5, ids=None)


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 2, 2, 1), (2, 2, 2, 5)])
def test_a_function_that_gives_another_shape_is_refused(shape):
    reader = MapReader(
        lambda ids: np.zeros(shape), num_samples=3, num_neurons=5, ids=None
    )
    with pytest.raises(ValueError, match="`maps` must give"):
        reader.read(np.array([[0]]), np.array([0]))
