"""Collect the activations of a model's layers over batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import jax
import numpy as np

from invert_jax.activations.array import Activations
from invert_jax.activations.batches import count_samples, full_batches
from invert_jax.activations.capture import capture
from invert_jax.activations.pooling import Pool, neuron_names, position_ids
from invert_jax.activations.progress import sample_progress
from invert_jax.activations.running import (
    Numbers,
    Plan,
    WhereOf,
    compiled,
    plan_layers,
    run_batches,
    size_for,
)


def collect(
    model: Any,
    batches: Iterable,
    *,
    variables: Any = None,
    call: Callable | None = None,
    layers: str | Sequence[str] | None = None,
    pool: Pool | Mapping[str, Pool] = "mean",
    where: WhereOf | Mapping[str, WhereOf] | None = None,
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
        batch_size: Samples that one device runs at a time, whatever the size of the
            batches that come in. If None: 32 on CPU, where results are then the same
            bits however the input was batched; elsewhere the first batch, shared out.
        progress: Whether to show a bar.

    Returns:
        Activations by layer, in the order in which the model has them.

    >>> model = lambda images: {"ink": images.mean((1, 2)), "corner": images[:, :1, :1]}
    >>> images = np.arange(12.0, dtype=np.float32).reshape(3, 2, 2)
    >>> collect(model, [images[:2], images[2:]], layers="ink", progress=False)
    {'ink': Activations(3 samples, 1 neurons, float32, layer='ink')}
    """
    captured = capture(model, variables, call)
    total = count_samples(batches)
    devices = jax.local_devices()
    stream = full_batches(batches, size_of=partial(size_for, devices, batch_size))
    first = next(stream, None)
    if first is None:
        raise ValueError("`batches` must hold at least one batch; got none.")
    plans = plan_layers(captured, first, layers, pool, where)
    run = compiled(captured, plans, where, devices)

    gathered = Gathered(plans)
    with sample_progress("collecting", total, show=progress) as advance:
        for batch, numbers in run_batches(run, chain([first], stream)):
            gathered.add(batch.ids, batch.num_samples, numbers)
            advance(batch.num_samples)
    return gathered.activations()


class Gathered:
    """Activations in memory while they come in, batch by batch."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self.plans = plans
        self.values: dict[str, list[np.ndarray]] = {name: [] for name in plans}
        self.ids: dict[str, list[np.ndarray]] = {name: [] for name in plans}
        self.num_samples = 0

    def add(
        self,
        ids: np.ndarray | None,
        num_samples: int,
        numbers: Mapping[str, Numbers],
    ) -> None:
        """Append one batch to every layer."""
        for name, plan in self.plans.items():
            values, of_layer = rows(plan, numbers[name], ids, self.num_samples)
            self.values[name].append(values)
            if of_layer is not None:
                self.ids[name].append(of_layer)
        self.num_samples += num_samples

    def activations(self) -> dict[str, Activations]:
        """Everything that came in, by layer; the batches are let go."""
        return {name: self._layer(name, plan) for name, plan in self.plans.items()}

    def _layer(self, name: str, plan: Plan) -> Activations:
        values = np.concatenate(self.values.pop(name))
        ids = self.ids.pop(name)
        return Activations(
            values,
            neuron_names(plan.layer.shape, plan.pool),
            ids=np.concatenate(ids) if ids else None,
            layer=name,
        )


def rows(
    plan: Plan, numbers: Numbers, ids: np.ndarray | None, first_sample: int
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
