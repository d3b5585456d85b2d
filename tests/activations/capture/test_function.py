import subprocess
import sys

import numpy as np
import pytest

from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.collecting.collection import collect

X = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_an_array_is_the_layer_output():
    got = collect(lambda x: 2 * x, [X], progress=False)
    assert list(got) == ["output"]
    np.testing.assert_array_equal(got["output"], 2 * X)


def test_variables_are_the_first_argument():
    got = collect(lambda w, x: x * w["w"], [X], variables={"w": 3.0}, progress=False)
    np.testing.assert_array_equal(got["output"], 3 * X)


def test_call_says_how_to_run_the_function():
    def model(x, scale):
        return {"scaled": x * scale}

    got = collect(model, [X], call=lambda model, x: model(x, scale=2.0), progress=False)
    np.testing.assert_array_equal(got["scaled"], 2 * X)


@pytest.mark.parametrize(
    ("model", "message"), [(3, "got int"), (dict, "the class dict.*instance")]
)
def test_what_is_no_model_is_refused(model, message):
    with pytest.raises(TypeError, match=message):
        capture(model)


def test_a_call_that_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="`call` must be a function"):
        capture(lambda x: x, call="train")


def test_a_function_needs_no_flax():
    code = (
        "import sys, numpy as np, invert_jax.activations as activations\n"
        "print(activations.layers(lambda x: x, np.zeros((2, 3))))\n"
        "assert not {'flax', 'pandas', 'optax', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("{'output': (2, 3)}\n", 0), done.stderr
