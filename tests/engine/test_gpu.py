"""The same bits on an accelerator as on the CPU; skips where there is none."""

import flax.linen as nn
import jax
import numpy as np
import pytest

import invert_jax as ij

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        jax.default_backend() == "cpu", reason="no accelerator on this machine"
    ),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize("share_of_zeros", [0.0, 0.95])
def test_an_accelerator_gives_the_bits_of_the_cpu(rng, dtype, share_of_zeros):
    masks = rng.random((5000, 60)) < rng.uniform(0.02, 0.5, 60)
    activations = 100 * (masks[:, :40] + rng.normal(size=(5000, 40)))
    activations[rng.random(activations.shape) < share_of_zeros] = 0
    concepts = ij.Concepts.from_masks(masks, [f"c{index}" for index in range(60)])

    on = {
        kind: ij.explain(
            activations.astype(dtype),
            concepts,
            min_fraction=0.01,
            options=ij.Options(devices=jax.devices(kind), progress=False),
        )
        for kind in ("cpu", jax.default_backend())
    }

    here, there = on.values()
    for name in ("literals", "operators", "rank_sums", "supports", "tie_sums"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    assert here.scores.tobytes() == there.scores.tobytes()


def test_activations_do_not_depend_on_how_the_input_was_batched(rng):
    images = rng.normal(size=(300, 16, 16, 3)).astype(np.float32)
    model = nn.Sequential([nn.Conv(32, (3, 3), precision="highest"), nn.relu])
    variables = model.init(jax.random.key(0), images[:1])

    whole, *parts = [
        ij.activations.collect(
            model,
            ij.activations.batched(images, batch_size),
            variables=variables,
            layers="layers_0",
            progress=False,
        )["layers_0"]
        for batch_size in (300, 128, 7)
    ]

    for part in parts:
        np.testing.assert_allclose(part, whole, rtol=1e-5, atol=1e-6)
