"""`invert-jax collect`: the activations of a model, on disk."""

import argparse
from collections.abc import Iterable

from invert_jax.activations import Batch, layers
from invert_jax.activations.collecting.collection import collect
from invert_jax.checks import printable
from invert_jax.cli.sources import TFDS, split_tfds
from invert_jax.cli.subject import load_subject
from invert_jax.cli.words import add_quiet, make
from invert_jax.datasets.tfds.inputs import tfds_batches

ABOUT = """\
Run your model on data and write what each neuron does to a store that `invert-jax
explain` reads.

MODULE:FACTORY names a function of your own, as my_model:make in my_model.py. It
takes nothing and returns a dict with
  model          a linen module, an nnx module, or a function of a batch
  variables      the variables of a linen module
  call           how to call it, as lambda module, batch: module(batch, train=False)
  batches        what to run it on, if not given by --data
  inputs         the feature of --data that the model takes, if not its one image
  transform      what to do with one input of --data: scale, crop, normalize
  size           (height, width) to resize the images of --data to
  preprocessing  your name for that; a store made under another name is refused
"""
EXAMPLE = """\
example:
  invert-jax collect my_model:make --data tfds:cifar10:test --layers 'block*' -o acts
  invert-jax explain acts tfds:cifar10:test -o labels --min-fraction 0.002

  If the run is killed, the same command goes on where it stopped.
"""


def add_to(commands) -> None:
    """The command and its options."""
    collect = make(
        commands.add_parser,
        "collect",
        help="run your model and keep its activations",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    collect.add_argument("factory", metavar="MODULE:FACTORY")
    collect.add_argument(
        "-o", "--output", metavar="DIR", help="folder for the activations"
    )
    collect.add_argument(
        "--data", metavar="tfds:NAME:SPLIT",
        help="a TFDS data set, by name or folder, if the factory gives no batches",
    )  # fmt: skip
    collect.add_argument(
        "--layers", nargs="+", metavar="PATTERN",
        help="names or patterns of layers (default: all)",
    )  # fmt: skip
    collect.add_argument(
        "--pool", default="mean", metavar="HOW",
        help="mean, max, cls, last, flatten, positions, or the number of a position "
        "(default: %(default)s)",
    )  # fmt: skip
    collect.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"),
        help="how to keep the numbers (default: as the layer has them)",
    )  # fmt: skip
    collect.add_argument(
        "--batch-size", type=int, default=128, metavar="N",
        help="examples of --data in a batch (default: %(default)s)",
    )  # fmt: skip
    collect.add_argument(
        "--list", action="store_true", help="only list the layers and their shapes"
    )
    add_quiet(collect)
    collect.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Collect the layers and say what was written."""
    if parsed.output is None and not parsed.list:
        raise ValueError("-o must name a folder for the activations; or give --list.")
    subject = load_subject(parsed.factory)
    batches = _batches(parsed, subject)
    if parsed.list:
        example = _first_inputs(batches)
        found = layers(
            subject.model, example, variables=subject.variables, call=subject.call
        )
        for name, (_, *shape) in found.items():
            print(f"{printable(name)}: {' x '.join(map(str, shape)) or '1'} per sample")
        return 0
    collected = collect(
        subject.model,
        batches,
        variables=subject.variables,
        call=subject.call,
        layers=parsed.layers,
        pool=_pool(parsed.pool),
        where=subject.where,
        store=parsed.output,
        dtype=parsed.dtype,
        preprocessing=subject.preprocessing,
        progress=not parsed.quiet,
    )
    for name, layer in collected.items():
        size = f"{layer.num_samples} samples, {layer.num_neurons} neurons"
        print(f"{printable(name)}: {size}")
    print(f"\nWritten to {parsed.output}; next: invert-jax explain {parsed.output} ...")
    return 0


def _pool(text: str) -> str | int:
    """The name of a pool, or the number of a position."""
    try:
        return int(text)
    except ValueError:
        return text


def _batches(parsed: argparse.Namespace, subject) -> Iterable:
    """The batches of the factory, or of the data set that is named."""
    if parsed.data is None:
        if subject.batches is None:
            raise ValueError("--data must be given, or the factory return `batches`.")
        return subject.batches
    if subject.batches is not None:
        raise ValueError("--data must not be given: the factory returns `batches`.")
    if not parsed.data.startswith(TFDS):
        raise ValueError(f"--data must be tfds:NAME:SPLIT; got {parsed.data!r}.")
    return tfds_batches(
        *split_tfds(parsed.data),
        batch_size=parsed.batch_size,
        inputs=subject.inputs,
        size=subject.size,
        transform=subject.transform,
    )


def _first_inputs(batches: Iterable):
    """The inputs of the first batch."""
    first = next(iter(batches), None)
    if first is None:
        raise ValueError("`batches` must hold at least one batch; got none.")
    return first.inputs if isinstance(first, Batch) else first
