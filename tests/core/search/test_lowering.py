"""Every jitted program of the engine lowers for CPU, GPU and TPU, without 64 bits."""

import re
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh

from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search.layout import BITS, MOST_CHUNKS, Layout
from invert_jax.core.search.packing import ConceptTable
from invert_jax.engine import programs
from tests.core.search_problems import free_limits

NUM_SAMPLES, NUM_CONCEPTS, NUM_NEURONS = 10_000_000, 40, 4
LAYOUT = Layout(num_limbs=3, num_chunks=2, rows_per_chunk=64)
# One is added without a loop; of so many the sums are carried in between.
OTHER_CHUNKS = (1, MOST_CHUNKS + 3)
NUM_ROWS = 100
# All widths of keys, and both kinds of integers.
DTYPES = ["float32", "bfloat16", "float16", "uint32", "int32", "int8", "bool"]

array = jax.ShapeDtypeStruct


def table_and_weights(chunks):
    """What the programs of a block are called with, without the numbers."""
    rows = LAYOUT.rows_per_chunk
    num_words = rows // BITS

    def table():
        return ConceptTable(
            words=jnp.zeros((NUM_CONCEPTS, chunks, num_words), jnp.uint32),
            filled=jnp.zeros((chunks, num_words), jnp.uint32),
            row_counts=jnp.zeros((chunks, rows), jnp.float32),
            num_chunks=jnp.int32(chunks),
        )

    weights = (NUM_NEURONS, chunks, LAYOUT.num_limbs, rows)
    return (
        array(weights, jnp.float32),
        array((NUM_NEURONS,), bool),
        jax.eval_shape(table),
    )


def search_program(chunks=LAYOUT.num_chunks):
    problem = free_limits(NUM_SAMPLES, num_usable=9)
    bounds = jax.tree.map(lambda number: array((), jnp.int32), problem.bounds)
    program = programs.search_program(one_device(), AUROC, problem.limits, ())
    return program, (*table_and_weights(chunks), bounds)


def concept_sums_program(chunks=LAYOUT.num_chunks):
    return programs.concept_sums_program(one_device(), ()), table_and_weights(chunks)


def rank_program(dtype):
    one = partial(
        programs.rank_rows, layout=LAYOUT, num_rows=NUM_ROWS, negative=dtype == "int8"
    )
    shapes = (
        array((NUM_NEURONS, NUM_SAMPLES), jnp.dtype(dtype)),
        array((NUM_SAMPLES,), jnp.int32),
    )
    return jax.jit(jax.vmap(one, in_axes=(0, None))), shapes


def one_device():
    return Mesh(np.array(jax.local_devices()[:1]), ("neurons",))


PROGRAMS: dict[str, Callable] = {
    "search": search_program,
    "concept sums": concept_sums_program,
    **{
        f"{name} of {chunks} chunks": partial(program, chunks)
        for name, program in (
            ("search", search_program),
            ("concept sums", concept_sums_program),
        )
        for chunks in OTHER_CHUNKS
    },
    **{f"ranks of {dtype}": partial(rank_program, dtype) for dtype in DTYPES},
}


def lower(name, platform):
    """The module of a program for a platform, under strict promotion of dtypes."""
    programs.search_program.cache_clear()
    programs.concept_sums_program.cache_clear()
    with jax.numpy_dtype_promotion("strict"):
        program, shapes = PROGRAMS[name]()
        return export.export(program, platforms=[platform])(*shapes).mlir_module()


def wide_tensors(module):
    """The types of 64 bits in a module; how far a window is padded is no tensor."""
    module = re.sub(r"padding = dense<[^>]*> : tensor<\d+x2xi64>", "", module)
    return set(re.findall(r"tensor<(?:[\d?]+x)*(?:u?i64|f64|complex<f64>)[,>]", module))


def test_types_of_64_bits_are_found_where_there_are_some():
    text = "a : tensor<f64>, tensor<2x?xui64>, tensor<3xi32>, tensor<4xi64, #s>"
    assert wide_tensors(text) == {"tensor<f64>", "tensor<2x?xui64>", "tensor<4xi64,"}
    with jax.enable_x64(True):
        doubled = jax.jit(lambda x: x * 2.0)
        exported = export.export(doubled, platforms=["tpu"])(array((3,), jnp.float64))
    assert "tensor<3xf64>" in wide_tensors(exported.mlir_module())


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_lowers_for_every_backend_without_a_tensor_of_64_bits(name, platform):
    assert jnp.arange(1).dtype == jnp.int32, "64 bits must be off, as by default"
    module = lower(name, platform)
    assert "func.func public @main" in module
    assert wide_tensors(module) == set()


@pytest.mark.parametrize("name", PROGRAMS)
def test_where_the_user_turns_64_bits_on_no_array_of_them_appears(name):
    with jax.enable_x64(True):
        module = lower(name, "tpu")
    # JAX itself counts loops by a scalar of 64 bits then.
    assert {kind for kind in wide_tensors(module) if "x" in kind} == set()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", [name for name in PROGRAMS if "ranks" not in name])
def test_every_matrix_product_asks_for_full_precision(name, platform):
    products = re.findall(r"stablehlo\.dot_general [^\n]*", lower(name, platform))
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in product for product in products)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ranks_take_one_sort_of_the_keys_with_their_rows(dtype):
    module = lower(f"ranks of {dtype}", "tpu")
    assert module.count("stablehlo.sort") == 1
