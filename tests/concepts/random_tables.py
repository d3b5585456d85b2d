"""Tables for tests."""

from invert_jax.concepts.table import Concepts


def random_masks(rng, num_samples=200, num_concepts=7, density=0.3):
    return rng.random((num_samples, num_concepts)) < density


def named(masks, prefix="c", **settings):
    num_concepts = masks.shape[1] if hasattr(masks, "shape") else len(masks[0])
    names = [f"{prefix}{column}" for column in range(num_concepts)]
    return Concepts.from_masks(masks, names, **settings)


def ids_of(concepts):
    assert concepts.ids is not None
    return concepts.ids
