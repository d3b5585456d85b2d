"""The split world that tests of results share."""

import pytest

from tests.held_out_runs import make_activations, make_concepts


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def activations():
    return make_activations()
