"""Collect the activations of a model's layers over batches."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from invert_jax.activations.array import Activations
from invert_jax.activations.batches import (
    FullBatch,
    alike_batches,
    count_samples,
    full_batches,
    size_of,
    skip_samples,
)
from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.capture.layer_list import abstract
from invert_jax.activations.collecting.fingerprint import (
    array_fingerprint,
    program_fingerprint,
)
from invert_jax.activations.collecting.running import (
    Numbers,
    PooledLayer,
    Program,
    WhereOf,
    compiled,
    placement_of,
    plan_layers,
    program_of,
    rows,
    run_batches,
    size_for,
)
from invert_jax.activations.collecting.store_writer import StoreWriter
from invert_jax.activations.pooling import Pool, neuron_names
from invert_jax.datasets.batch import Batch
from invert_jax.progress import progress_bar


def collect(
    model: Any,
    batches: Iterable,
    *,
    variables: Any = None,
    call: Callable | None = None,
    layers: str | Sequence[str] | None = None,
    pool: Pool | Mapping[str, Pool] = "mean",
    where: WhereOf | Mapping[str, WhereOf] | None = None,
    store: str | os.PathLike | None = None,
    dtype: Any = None,
    preprocessing: str = "",
    batch_size: int | None = None,
    progress: bool = True,
) -> dict[str, Activations]:
    """Run a model over batches and keep what each neuron of its layers does.

    The model is used, not changed, and runs in evaluation mode: an nnx module as a copy
    set to `eval()`, a linen module without random numbers and without updates. It is
    compiled once: batches are cut anew to one size, the last one is filled up, and the
    filling is removed. Every batch is spread over all local devices.

    Args:
        model: A linen module, an nnx module, or a function of a batch that returns an
            array or a dict of arrays by layer.
        batches: Any iterable of what the model is called with, arrays or trees of
            arrays with samples as their first axis; or of `Batch`es, to give ids and
            padding along. `batched` cuts whole arrays up.
        variables: The variables of a linen module, or the first argument of a function
            that takes two.
        call: How to call the model, such as `lambda module, batch: module(batch["x"],
            train=False)`.
        layers: Names or patterns such as `"encoder/*"`; all layers if None. `layers`
            (the function) lists them.
        pool: `"mean"` or `"max"` over positions; `"cls"`, `"last"` or the number of a
            position; `"flatten"`: every position of a channel is a neuron;
            `"positions"`: every position is a sample, with id `sample@position`; a
            function of the values (and `where=`, if there is one) that returns
            [samples, neurons]; or a dict of these by name or pattern, else `"mean"`.
        where: Function of the model's inputs that gives False at padding; or a dict of
            such functions by name or pattern, the rest without padding.
        store: Folder, or address such as `gs://bucket/folder`, to write to. What is
            there already, of this very collection, is gone on with; anything else is
            refused. The activations are then read from there, when they are needed.
            Of collections that start together on one store, one goes on, and the
            others are told so before they change anything of it.
            Samples are known by their ids; without ids by their inputs, which are then
            hashed as they come. Each process of several collects its own batches to a
            store of its own; `Activations.stack` makes one layer of them.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; what the layer has if None.
        preprocessing: Your name for how the batches were made, of which a store knows
            nothing else: one made under another name is refused.
        batch_size: Samples that one device runs at a time, whatever the size of the
            batches that come in. If None: 32 on CPU, where results are then the same
            bits however the input was batched; elsewhere the first batch, shared out.
            A model that runs on the first batch's size alone gets batches of that size.
        progress: Whether to show a bar.

    Returns:
        Activations by layer, in the order in which the model has them.

    Raises:
        OSError: If the disk is full. The same call goes on when there is space.

    >>> model = lambda images: {"ink": images.mean((1, 2)), "corner": images[:, :1, :1]}
    >>> images = np.arange(12.0, dtype=np.float32).reshape(3, 2, 2)
    >>> collect(model, [images[:2], images[2:]], layers="ink", progress=False)
    {'ink': Activations(3 samples, 1 neurons, float32, layer='ink')}
    """
    if not isinstance(preprocessing, str):
        raise TypeError(f"`preprocessing` must be a name; got {preprocessing!r}.")
    captured = capture(model, variables, call)
    incoming = alike_batches(batches)
    first = next(incoming, None)
    if first is None:
        raise ValueError("`batches` must hold at least one batch; got none.")
    plans = plan_layers(captured, first, layers, pool, where)
    program = program_of(captured, plans, where, checked_dtype(dtype))
    sink: InMemory | StoreWriter = InMemory(plans)
    if store is not None:
        sink = _writer(store, captured, program, plans, first, preprocessing)

    placement = placement_of(captured.state, jax.local_devices())
    size = size_for(placement.devices, batch_size, size_of(first))
    if batch_size is None:
        size = size_that_runs(program, captured.state, first, size)
    start = sink.num_samples
    rest = skip_samples(chain([first], incoming), start, sink.check_known)
    run = compiled(program, captured.state, plans, placement)
    with progress_bar(
        "collecting",
        count_samples(batches),
        things="samples",
        show=progress,
        start=start,
        stays=True,
    ) as advance:
        stream = full_batches(rest, size)
        try:
            for batch, numbers in run_batches(run, stream, first_sample=start):
                sink.add(batch, numbers)
                advance(batch.num_samples)
        except BaseException:
            sink.keep()
            raise
    return sink.activations()


def checked_dtype(dtype: Any) -> str | None:
    """The name of a type of activations, or None.

    >>> checked_dtype(np.float16)
    'float16'
    """
    names = ("float32", "bfloat16", "float16")
    try:
        name = None if dtype is None else str(np.dtype(dtype))
    except TypeError:
        name = str(dtype)
    if name not in (None, *names):
        raise TypeError(f"`dtype` must be {', '.join(names)} or None; got {name}.")
    return name


def _writer(
    store: str | os.PathLike,
    captured: Capture,
    program: Program,
    plans: Mapping[str, PooledLayer],
    first: Batch,
    preprocessing: str,
) -> StoreWriter:
    shapes, fingerprint = _traced(program, captured.state, first)
    content = captured.state if captured.content is None else captured.content
    made_of = {
        "preprocessing": preprocessing,
        "layers": ", ".join(plans),
        "pool": ", ".join(_pool_name(plan.pool) for plan in plans.values()),
        "dtype": ", ".join(str(each.values.dtype) for each in shapes),
        "variables": array_fingerprint(content),
        "program": fingerprint,
        "jax": jax.__version__,
    }
    return StoreWriter(store, plans, dict(zip(plans, shapes, strict=True)), made_of)


def _traced(
    program: Program, state: PyTree, first: Batch
) -> tuple[tuple[Numbers, ...], str]:
    """Shapes and fingerprint of the program, whatever the size of the batches."""

    def seen(size: int) -> tuple[tuple[Numbers, ...], str]:
        args = (state, *abstract((first.inputs, first.where), size))
        return jax.eval_shape(program, *args), program_fingerprint(program, *args)

    def of(size: int) -> tuple[tuple[Numbers, ...], str]:
        try:
            # The mesh that the user has set is no part of what is computed.
            with jax.set_mesh(Mesh(np.empty((), object), ())):
                return seen(size)
        except Exception:
            # A model that names the axes of a mesh.
            return seen(size)

    try:
        return of(2)
    except Exception:
        # A model written for one size of the batch.
        return of(size_of(first))


def size_that_runs(program: Program, state: PyTree, first: Batch, size: int) -> int:
    """`size`, or that of the first batch if the model is written for it alone."""
    if size != size_of(first):
        try:
            jax.eval_shape(program, state, *abstract((first.inputs, first.where), size))
        except Exception:
            return size_of(first)
    return size


def _pool_name(pool: Pool) -> str:
    # Not its text, which holds an address; the program's fingerprint has its content.
    if callable(pool):
        return getattr(pool, "__qualname__", type(pool).__name__)
    return str(pool)


class InMemory:
    """Activations in memory while they come in, batch by batch."""

    def __init__(self, plans: Mapping[str, PooledLayer]) -> None:
        self.plans = plans
        self.values: dict[str, list[np.ndarray]] = {name: [] for name in plans}
        self.ids: dict[str, list[np.ndarray]] = {name: [] for name in plans}
        self.num_samples = 0

    def check_known(self, batch: Batch, start: int) -> None:
        """Refuses nothing: what is in memory starts from the first sample."""

    def keep(self) -> None:
        """Keeps nothing: what is in memory goes with the process."""

    def add(self, batch: FullBatch, numbers: Mapping[str, Numbers]) -> None:
        """Append one batch to every layer."""
        for name, plan in self.plans.items():
            values, of_layer = rows(plan, numbers[name], batch.ids, self.num_samples)
            self.values[name].append(values)
            if of_layer is not None:
                self.ids[name].append(of_layer)
        self.num_samples += batch.num_samples

    def activations(self) -> dict[str, Activations]:
        """Everything that came in, by layer; the batches are let go."""
        return {name: self._layer(name, plan) for name, plan in self.plans.items()}

    def _layer(self, name: str, plan: PooledLayer) -> Activations:
        values = np.concatenate(self.values.pop(name))
        ids = self.ids.pop(name)
        return Activations(
            values,
            neuron_names(plan.layer.shape, plan.pool),
            ids=np.concatenate(ids) if ids else None,
            layer=name,
        )
