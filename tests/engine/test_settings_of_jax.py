"""The user's own settings of JAX change nothing: each is tried in a fresh process."""

import os
import subprocess
import sys

import pytest

SETTINGS = {
    "explicit mesh": "jax.set_mesh(jax.make_mesh((jax.device_count(),), ('data',)))",
    "automatic mesh": (
        "jax.set_mesh(jax.make_mesh((jax.device_count(),), ('data',), "
        "axis_types=(jax.sharding.AxisType.Auto,)))"
    ),
    "part of the devices": (
        "jax.set_mesh(jax.make_mesh((1,), ('data',), devices=jax.devices()[:1]))"
    ),
    "transfer guard": "jax.config.update('jax_transfer_guard', 'disallow')",
}
WORK = """
import sys, warnings
import flax.linen as nn, jax, numpy as np
from flax import nnx
import invert_jax as ij
from invert_jax import activations as acts

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
masks = rng.random((80, 3)) < 0.4
values = (2 * masks + rng.normal(size=masks.shape)).astype(np.float32)
images = rng.random((40, 4, 4, 1)).astype(np.float32)
table = ij.Concepts.from_masks(masks, list("abc"))
some = dict(max_length=2, min_fraction=0.1, options=ij.Options(progress=False))

class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="head")(nn.relu(nn.Conv(4, (3, 3), name="conv")(x)))

linen, convolution = Linen(), nnx.Conv(1, 4, (3, 3), rngs=nnx.Rngs(0))
variables = linen.init(jax.random.key(0), images[:1])

def results():
    found = ij.explain(values, table, **some)
    null = ij.null_distribution(
        table, found, num_draws=49, key=0, options=ij.Options(progress=False)
    )
    held_out = ij.explain(values, table, holdout=0.5, key=0, **some).held_out
    tokens = [acts.Batch(images[..., 0], where=np.tri(40, 4, dtype=bool))]
    quiet = {"progress": False}
    conv = acts.collect(linen, [images], variables=variables, **quiet)["conv"]
    kept = acts.collect(
        linen, [images], variables=variables, store=sys.argv[2], **quiet
    )["conv"]
    unit = acts.collect(convolution, [images], **quiet)["output"]
    pools = [
        acts.collect(lambda x: {"x": x}, tokens, pool=pool, **quiet)["x"]
        for pool in ("mean", "max", "last", 0, "positions")
    ]
    layer = ij.Activations(values)
    made = [acts.project(layer, np.eye(3)[:2]), acts.encode(layer, np.ones((3, 2)))]
    arrays = [found.scores, found.with_null(null).p_search, held_out.scores,
              ij.auroc(values, masks), ij.auroc(values.astype(float), masks),
              conv, kept, unit, *pools, *made]
    return [np.asarray(array) for array in arrays]

before = results()
exec(sys.argv[1])
for index, (one, other) in enumerate(zip(before, results(), strict=True)):
    assert np.array_equal(one, other, equal_nan=True), index
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_settings_of_the_user_change_nothing(setting, tmp_path):
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = subprocess.run(
        [sys.executable, "-c", WORK, SETTINGS[setting], str(tmp_path / "acts")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


CALLS = """
import jax
before = dict(jax.config.values)
import numpy as np
import invert_jax as ij

values, masks = np.arange(80.0)[:, None], np.tri(80, 3, -20, dtype=bool)
quiet = ij.Options(progress=False)
ij.explain(values, ij.Concepts.from_masks(masks, list("abc")), max_length=1,
           min_fraction=0.3, options=quiet)
ij.activations.collect(lambda x: {"x": x}, [values], progress=False)
changed = {name for name, value in jax.config.values.items() if value != before[name]}
assert not changed, changed
"""


def test_calls_of_the_library_change_no_setting_of_the_user(tmp_path):
    kept = {name: v for name, v in os.environ.items() if not name.startswith("JAX_")}
    environment = {**kept, "INVERT_JAX_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", CALLS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == [], "nothing is kept on the disk either"
