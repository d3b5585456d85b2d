"""Run a captured model over batches: one program, all local devices, checked output."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, PyTree, Shaped

from invert_jax.activations.batches import FullBatch
from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.layer_list import (
    Layer,
    find_layers,
    select_layers,
    silent_parts,
)
from invert_jax.activations.capture.layer_names import first_match, matches
from invert_jax.activations.pooling import Pool, checked_pool, fitted_where, pool_values
from invert_jax.datasets.batch import Batch
from invert_jax.pipeline import started_ahead
from invert_jax.sample_ids import position_ids

WhereOf = Callable[[PyTree], Array]
CPU_BATCH = 32
IN_FLIGHT = 2  # batches handed to the devices before the first is waited for


class PooledLayer(NamedTuple):
    """What is collected of one layer: its output, pooled."""

    layer: Layer
    pool: Pool

    @property
    def positions(self) -> bool:
        """Whether positions, not inputs, are the samples."""
        return isinstance(self.pool, str) and self.pool == "positions"


class Numbers(NamedTuple):
    """What one layer gives for a batch.

    Attributes:
        values: A number per neuron; [samples, positions..., channels] if positions are
            the samples.
        kept: Which positions are samples, if they are and some are padding.
        finite: Whether all numbers of each sample are.
    """

    values: Shaped[Array | np.ndarray, "samples ..."]
    kept: Bool[Array | np.ndarray, "samples ..."] | None
    finite: Bool[Array | np.ndarray, " samples"]


class Mask(NamedTuple):
    """What is no padding in a layer, and whether that was said for it by name."""

    where: Array
    is_own: bool


class Placement(NamedTuple):
    """Where a model runs.

    Attributes:
        of_state: Where its state lies; None for where it is.
        of_batch: Where batches lie; None for where they are.
        devices: Those that a batch is cut up for.
        context: To run it in.
    """

    of_state: NamedSharding | None
    of_batch: NamedSharding | None
    devices: Sequence[jax.Device]
    context: Callable[[], AbstractContextManager]


Program = Callable[[PyTree, PyTree, Any], tuple[Numbers, ...]]
Run = Callable[[FullBatch], dict[str, Numbers]]


def plan_layers(
    captured: Capture,
    first: Batch,
    layers: str | Sequence[str] | None,
    pool: Pool | Mapping[str, Pool],
    where: WhereOf | Mapping[str, WhereOf] | None,
) -> dict[str, PooledLayer]:
    """The layers that are wanted, each with its pool."""
    if layers is not None and not isinstance(layers, str) and len(layers) == 0:
        raise ValueError("`layers` must name at least one layer; got none.")
    for function in where.values() if isinstance(where, Mapping) else [where]:
        if not (function is None or callable(function)):
            raise TypeError(
                "`where` must be a function of the inputs, or a dict of such; got "
                f"{type(function).__name__}. Masks of samples go along with them: "
                "Batch(inputs, where=mask)."
            )
    available = find_layers(captured, first.inputs)
    chosen = select_layers(available, layers, captured)
    if not chosen:
        raise ValueError(
            "`model` must put out at least one array that has the samples as an axis; "
            "none of its outputs has."
        )
    if layers is None and (silent := silent_parts(available, captured)):
        warnings.warn(
            f"No activations of {', '.join(silent)}, though they have parameters: not "
            f"called, or called where Flax does not see it. {captured.cure}",
            stacklevel=3,
        )
    for name, by_layer in (("pool", pool), ("where", where), ("where", first.where)):
        _refuse_unmatched(name, by_layer, chosen)
    if where is not None and first.where is not None:
        raise ValueError(
            "`where` must be given once; got it for the collection and in its batches."
        )
    pools = pool if isinstance(pool, Mapping) else {"*": pool}
    return {
        name: PooledLayer(layer, checked_pool(first_match(name, pools, "mean")))
        for name, layer in chosen.items()
    }


def size_for(
    devices: Sequence[jax.Device], batch_size: int | None, num_samples: int
) -> int:
    """Samples in a batch over all devices.

    On CPU a product's rounding varies with the batch's size, so that is fixed there.

    >>> size_for(jax.devices("cpu")[:1], None, 1000)
    32
    """
    if batch_size is not None and not isinstance(batch_size, int | np.integer):
        raise TypeError(f"`batch_size` must be a whole number; got {batch_size!r}.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    on_cpu = devices[0].platform == "cpu"
    of_device = CPU_BATCH if on_cpu else -(-num_samples // len(devices))
    return (batch_size or of_device) * len(devices)


def program_of(
    captured: Capture,
    plans: Mapping[str, PooledLayer],
    where: WhereOf | Mapping[str, WhereOf] | None,
    dtype: str | None,
) -> Program:
    """The pure function of state, inputs and masks that gives the numbers."""

    def program(state: PyTree, inputs: PyTree, masks: Any) -> tuple[Numbers, ...]:
        outputs = captured.forward(state, inputs)
        mask_of = _mask_function(where, inputs, masks)
        return tuple(
            layer_numbers(plan, plan.layer.take(outputs), mask_of(name), name, dtype)
            for name, plan in plans.items()
        )

    return program


def compiled(
    program: Program,
    state: PyTree,
    plans: Mapping[str, PooledLayer],
    placement: Placement,
) -> Run:
    """One program for all batches, placed as is said."""
    step = jax.jit(program)
    state = jax.device_put(state, placement.of_state)

    def run(batch: FullBatch) -> dict[str, Numbers]:
        given = jax.device_put((batch.inputs, batch.where), placement.of_batch)
        with placement.context():
            numbers = step(state, *given)
        return dict(zip(plans, numbers, strict=True))

    return run


def layer_numbers(
    plan: PooledLayer,
    values: Shaped[Array, "samples ..."],
    mask: Mask | None,
    name: str,
    dtype: str | None,
) -> Numbers:
    """The numbers of one layer, and whether they are finite."""
    where = None
    if mask is not None:
        where = fitted_where(mask.where, values.shape, name, is_own=mask.is_own)
    if not plan.positions:
        try:
            pooled = pool_values(values, where, plan.pool)
        except ValueError as error:
            raise ValueError(f"Layer {name!r}: {error}") from error
        numbers = pooled.astype(dtype or pooled.dtype)
        return Numbers(numbers, None, jnp.isfinite(numbers).all(1))
    if values.ndim < 3:
        raise ValueError(
            "`pool='positions'` needs a layer of shape [samples, positions..., "
            f"channels]; {name!r} has {values.shape}. Give a dict of pools by layer."
        )
    values = values.astype(dtype or values.dtype)
    finite = jnp.isfinite(values).all(-1)
    finite = finite if where is None else finite | ~where
    return Numbers(values, where, finite.reshape(len(finite), -1).all(1))


def run_batches(
    run: Run, batches: Iterable[FullBatch], *, first_sample: int = 0
) -> Iterator[tuple[FullBatch, dict[str, Numbers]]]:
    """The numbers of each batch, on the host and without filling.

    The next batch is under way while one is read back.
    """
    begun = ((batch, run(batch)) for batch in batches)
    for batch, numbers in started_ahead(begun, IN_FLIGHT - 1):
        fetched = jax.tree.map(
            lambda field, stop=batch.num_samples: jax.device_get(field)[:stop], numbers
        )
        _refuse_not_finite(fetched, batch, first_sample)
        first_sample += batch.num_samples
        yield batch, fetched


def rows(
    plan: PooledLayer, numbers: Numbers, ids: np.ndarray | None, first_sample: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples of one layer in one batch, and their ids."""
    values = np.asarray(numbers.values)
    if not plan.positions:
        return values, ids
    shape, num_channels = values.shape[1:-1], values.shape[-1]
    if ids is None:
        ids = np.arange(first_sample, first_sample + len(values))
    kept = None if numbers.kept is None else np.asarray(numbers.kept)
    flat = values.reshape(-1, num_channels) if kept is None else values[kept]
    return flat, position_ids(ids, shape, kept)


def _refuse_not_finite(
    numbers: Mapping[str, Numbers], batch: FullBatch, first_sample: int
) -> None:
    for name, layer in numbers.items():
        if not layer.finite.all():
            row = int(np.argmin(layer.finite))
            sample = f"sample {first_sample + row}"
            if batch.ids is not None:
                sample += f" (id {batch.ids[row].item()!r})"
            raise ValueError(
                "`model` must put out finite numbers where it is not padding; layer "
                f"{name!r} gives nan or infinity, as {layer.values.dtype}, for "
                f"{sample}. With `where`, a sample that is all padding has no mean or "
                "maximum, one with fewer positions has not that position, and "
                "pool='flatten' needs samples without padding."
            )


def _refuse_unmatched(name: str, by_layer: Any, chosen: Mapping[str, Layer]) -> None:
    patterns = by_layer if isinstance(by_layer, Mapping) else ()
    for pattern in patterns:
        if not any(matches(layer, pattern) for layer in chosen):
            raise ValueError(
                f"`{name}` must be given for layers that are collected; {pattern!r} "
                f"matches none of {', '.join(chosen)}."
            )


def _mask_function(
    where: WhereOf | Mapping[str, WhereOf] | None, inputs: PyTree, masks: Any
) -> Callable[[str], Mask | None]:
    by_layer = masks if isinstance(masks, Mapping) else where
    is_own = isinstance(by_layer, Mapping) and "*" not in by_layer

    def mask_of(name: str) -> Mask | None:
        given = first_match(name, masks, None) if isinstance(masks, Mapping) else masks
        made = first_match(name, where, None) if isinstance(where, Mapping) else where
        mask = given if made is None else jnp.asarray(made(inputs))
        return None if mask is None else Mask(mask, is_own)

    return mask_of


def placement_of(state: PyTree, devices: Sequence[jax.Device]) -> Placement:
    """The state on every device, and batches spread over them.

    A state that its owner has spread over devices stays as it is. A mesh that the user
    has set, which the model may name, holds all of both.
    """
    spread = any(
        len(leaf.sharding.device_set) > 1
        for leaf in jax.tree.leaves(state)
        if isinstance(leaf, jax.Array)
    )
    if spread:
        return Placement(None, None, devices, nullcontext)
    of_user = jax.sharding.get_mesh()
    if not of_user.empty and set(of_user.devices.flat) <= set(devices):
        everywhere = NamedSharding(of_user, PartitionSpec())
        return Placement(everywhere, everywhere, devices[:1], nullcontext)
    mesh = Mesh(np.array(devices), ("samples",))
    return Placement(
        NamedSharding(mesh, PartitionSpec()),
        NamedSharding(mesh, PartitionSpec("samples")),
        devices,
        partial(jax.set_mesh, mesh),
    )
