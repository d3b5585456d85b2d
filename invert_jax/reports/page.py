"""`report`: explanations as one page that opens anywhere, offline."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.record import LABELED
from invert_jax.progress import progress_bar
from invert_jax.reports.behavior import NUM_BOTTOM, NUM_TOP, behavior_of
from invert_jax.reports.html.comparison_section import comparison_sections
from invert_jax.reports.html.crops import View, checked_crop
from invert_jax.reports.html.encoding import packed
from invert_jax.reports.html.heat import MAX_SIDE, MapReader
from invert_jax.reports.html.payload import layer_payload
from invert_jax.reports.html.pictures import ImageReader, Pictures, select_pictures
from invert_jax.reports.html.rendering import (
    PageLayer,
    make_environment,
    rendered,
    shown_samples,
    write_page,
)
from invert_jax.reports.html.sentences import missing_notes
from invert_jax.reports.material import (
    LayerInputs,
    check_by_layer,
    checked_layers,
    sample_indices,
    shared_ids,
)
from invert_jax.reports.summary import summary_of

IMAGE_BUDGET = 30_000_000
BASE64_GROWTH = 4 / 3


def report(
    explanations: Explanations | Mapping[str, Explanations],
    path: str | os.PathLike,
    *,
    activations=None,
    concepts=None,
    images=None,
    maps=None,
    crop: str | float | None = None,
    title: str | None = None,
    image_budget: int = IMAGE_BUDGET,
    comparison=None,
    progress: bool = False,
) -> Path:
    """Write explanations as one HTML page: a table of all units and a card for each.

    The page needs no network and no other file. What cannot be shown for want of
    activations, concepts or images is left out, and the page says so.

    Args:
        explanations: Of a layer, or a dict of layers.
        path: The file to write; replaced if it is there.
        activations: What was explained, or a dict by layer. For top samples,
            distributions and ROC curves.
        concepts: The table that was explained by. For where formulas hold, and for
            descriptions.
        images: Of the samples, in the order of the activations: an array [samples,
            rows, columns(, channels)], a list of arrays, PIL images, paths or bytes; or
            a dict by sample id; or a function of a sample id; or a folder, where ids
            are the names of the files; files outside it are refused. Raster formats
            only. Images of 16 bits and floats are stretched over their range, and what
            is transparent lies on white. Without ids a sample's id is its index.
        maps: Unpooled activations of the neurons [samples, rows, columns, neurons], or
            a function that gives them for an array of sample ids; or a dict by layer.
            Drawn over the images, which must be what the model saw.
        crop: What of a photo the model saw, where `maps` lie over photos in files (they
            are refused without it) or over images of another shape: "center", the
            largest centered part of the shape of the maps; a share of it, such as 0.875
            for a crop of 224 after resizing to 256; or "stretch", the whole photo,
            resized. The page then shows that part.
        title: Heading of the page.
        image_budget: Bytes that images may take, and as many again for maps; units of
            the best scores come first.
        comparison: From `compare`, to be shown below the units; or a dict by layer.
        progress: Show how far it is.

    Returns:
        The path.

    Raises:
        ImportError: jinja2, of the extra `report`, is not installed.
        ValueError: The parts are not of one run.

    >>> import tempfile
    >>> import invert_jax as ij
    >>> concepts = ij.Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> values = np.array([0.0, 2.0, 1.0] * 50)[:, None]
    >>> labels = ij.explain(values, concepts, min_fraction=0.2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report(labels, Path(folder) / "page.html", concepts=concepts)
    ...     "dog" in page.read_text(encoding="utf-8")
    True
    """
    environment = make_environment()
    path = _checked_path(path)
    inputs = checked_layers(explanations, activations, concepts)
    budget = _checked_budget(image_budget)
    compared = comparison_sections(comparison, inputs)
    map_readers = _map_readers(maps, inputs)
    view = None if images is None else _view(checked_crop(crop), map_readers, inputs)
    image_reader = _image_reader(images, inputs, view)
    with progress_bar(
        "report",
        sum(layer.explanations.num_neurons for layer in inputs),
        things="neurons",
        show=progress,
    ) as advance:
        layers = [
            PageLayer(
                layer,
                behavior_of(layer, advance=advance),
                summary_of(layer.explanations),
                reader,
            )
            for layer, reader in zip(inputs, map_readers, strict=True)
        ]
    pictures = select_pictures(image_reader, wanted_samples(layers), budget=budget)
    payloads = [
        layer_payload(layer.inputs, layer.behavior, layer.summary)
        | {"maps": _maps(layer, pictures, budget=budget // len(layers))}
        for layer in layers
    ]
    notes = [
        missing_notes(
            layer.inputs,
            pictures,
            has_images=image_reader is not None,
            has_maps=layer.maps is not None,
        )
        for layer in layers
    ]
    text = rendered(environment, title, layers, payloads, pictures, notes, compared)
    write_page(path, text)
    return path


def wanted_samples(layers: list[PageLayer]) -> Iterator[int]:
    """The samples whose images are wanted: those of the best labels first.

    The highest and lowest of all units come before those of the formulas' own.
    """
    units = [
        (-merit, unit, place)
        for place, layer in enumerate(layers)
        for unit, merit in enumerate(merits_of(layer.inputs.explanations).tolist())
    ]
    samples = [shown_samples(layer) for layer in layers]
    ends = NUM_TOP + NUM_BOTTOM
    for part in (slice(ends), slice(ends, None)):
        for _, unit, place in sorted(units):
            chosen = samples[place][unit, part].tolist()
            yield from (sample for sample in chosen if sample >= 0)


def merits_of(explanations: Explanations) -> Float[np.ndarray, " units"]:
    """|2 score - 1| of each label; below 0 where there is none, or chance."""
    distance = np.abs(2 * explanations.scores[:, 0] - 1)
    return np.where(explanations.status == LABELED, distance, -1.0)


def _checked_path(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"`path` must be a file, such as report.html; {str(path)!r} is a folder."
        )
    return path


def _checked_budget(budget: int) -> int:
    if isinstance(budget, bool) or not isinstance(budget, int | float | np.number):
        raise TypeError(f"`image_budget` must be a number of bytes; got {budget!r}.")
    if not budget >= 0:
        raise ValueError(f"`image_budget` must be at least 0; got {budget}.")
    return int(min(budget, 2**40))


def _image_reader(
    images, layers: list[LayerInputs], view: View | None
) -> ImageReader | None:
    """The images of the samples that all layers share."""
    if images is None:
        return None
    ids = shared_ids(layers)
    return ImageReader(images, num_samples=layers[0].num_all, ids=ids, view=view)


def _view(
    crop: str | float | None,
    readers: list[MapReader | None],
    layers: list[LayerInputs],
) -> View | None:
    """What of the images is shown: what lies under the largest maps."""
    drawn = [
        reader.shape()
        for reader, layer in zip(readers, layers, strict=True)
        if reader is not None and layer.explanations.settings.sign != "negative"
    ]
    if not drawn:
        if crop is not None:
            raise ValueError("`crop` says where `maps` lie; give `maps`, or leave it.")
        return None
    view = View(*max(drawn), crop)
    for rows, columns in drawn:
        if not view.has_shape_of(columns, rows):
            raise ValueError(
                "`maps` of all layers must be of one shape of image; got "
                f"{view.rows} x {view.columns} and {rows} x {columns}. Make a page for "
                "each."
            )
    return view


def _map_readers(maps, layers: list[LayerInputs]) -> list[MapReader | None]:
    """The maps of each layer."""
    if maps is None:
        return [None] * len(layers)
    check_by_layer("maps", maps, len(layers))
    if not isinstance(maps, Mapping):
        maps = {layers[0].name: maps}
    unknown = set(maps) - {layer.name for layer in layers}
    if unknown:
        raise ValueError(
            f"`maps` must be by the names of the layers; got {sorted(unknown)[0]!r}."
        )
    return [
        MapReader(
            maps[layer.name],
            num_samples=layer.num_all,
            num_neurons=layer.activations.num_neurons,
            ids=layer.ids,
        )
        if layer.name in maps and layer.activations is not None
        else None
        for layer in layers
    ]


def _maps(layer: PageLayer, pictures: Pictures, *, budget: int) -> dict | None:
    """Maps of the units of which any top image is in the page, the best that fit."""
    if layer.maps is None or layer.behavior is None or not pictures.samples:
        return None
    if layer.inputs.explanations.settings.sign == "negative":
        return None
    top = sample_indices(layer.inputs, layer.behavior.top)
    shown = np.isin(top, np.array(pictures.samples))
    units = np.flatnonzero(shown.any(axis=1))
    merits = merits_of(layer.inputs.explanations)[units]
    largest = BASE64_GROWTH * MAX_SIDE**2 * top.shape[1]  # bytes of the maps of a unit
    best = np.argsort(-merits, kind="stable")[: int(budget / largest)]
    units = np.sort(units[best])
    samples = np.where(shown[units], top[units], -1)
    values = layer.maps.read(samples, layer.inputs.explanations.neurons[units])
    return {"units": packed(units, "i4"), "values": packed(values, "u1")}
