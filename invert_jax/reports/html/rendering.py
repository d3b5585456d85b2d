"""The page as text: its template, script and style filled with what a layer has."""

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from invert_jax.disk import whole_file
from invert_jax.reports.behavior import Behavior
from invert_jax.reports.html.encoding import packed, script_json, well_formed
from invert_jax.reports.html.heat import MapReader
from invert_jax.reports.html.pictures import Pictures
from invert_jax.reports.html.sentences import run_sentences, score_meanings
from invert_jax.reports.material import LayerInputs, sample_indices, shared_ids
from invert_jax.reports.summary import Summary
from invert_jax.version import VERSION

IMAGES_AT_ONCE = 100
SCRIPTS = (
    "layer", "elements", "numbers", "formulas", "charts", "samples", "table", "card",
    "summary", "page",
)  # fmt: skip
STYLES = (
    "page", "charts", "overview", "table", "formulas", "card", "comparison", "print",
)  # fmt: skip
PACKAGE = "invert_jax.reports.html"


class PageLayer(NamedTuple):
    """A layer and all that is computed for its part of the page."""

    inputs: LayerInputs
    behavior: Behavior | None
    summary: Summary
    maps: MapReader | None


def shown_samples(layer: PageLayer) -> Int[np.ndarray, "units few"]:
    """The samples on the card of each unit, the first ones first; -1 past the last."""
    behavior = layer.behavior
    if behavior is None:
        return np.zeros((layer.inputs.explanations.num_neurons, 0), np.int64)
    positions = np.concatenate(
        [behavior.top, behavior.bottom, behavior.positives, behavior.misses], axis=1
    )
    return sample_indices(layer.inputs, positions)


def make_environment():
    """The engine of the templates, which escapes what it is given."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            "`report` needs jinja2: pip install 'invert_jax[report]'."
        ) from error
    return jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(
    environment,
    title: str | None,
    layers: list[PageLayer],
    payloads: list[dict],
    pictures: Pictures,
    notes: list[list[str]],
    comparisons: list[dict],
) -> str:
    """The page as text."""
    names = [layer.inputs.name for layer in layers]
    heading = title or (f"Labels of {names[0]}" if names[0] and len(names) == 1 else "")
    chunks = [
        pictures.urls[start : start + IMAGES_AT_ONCE]
        for start in range(0, len(pictures.urls), IMAGES_AT_ONCE)
    ]
    script = _source("script", SCRIPTS, "js")
    style = _source("style", STYLES, "css")
    page = {
        "images": packed(np.array(pictures.samples, np.int64), "i4"),
        "imagesAtOnce": IMAGES_AT_ONCE,
        "pixelated": pictures.is_pixelated,
        "ids": _ids(layers),
        "numLayers": len(layers),
    }
    return environment.get_template("page.html").render(
        title=well_formed(heading or "What the units respond to"),
        layers=[well_formed(name or f"layer {at}") for at, name in enumerate(names)],
        runs=[
            [
                well_formed(sentence)
                for sentence in run_sentences(
                    layer.inputs.name, layer.inputs.explanations
                )
            ]
            for layer in layers
        ],
        notes=notes,
        score_meanings=score_meanings(layer.inputs.explanations for layer in layers),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=VERSION,
        comparisons=comparisons,
        page=script_json(page),
        payloads=[script_json(payload) for payload in payloads],
        chunks=[script_json(chunk) for chunk in chunks],
    )


def _ids(layers: list[PageLayer]) -> dict | None:
    """Ids of the samples that cards show, where samples have ids.

    As text, since a script's numbers are whole up to 2**53 only.
    """
    ids = shared_ids(layer.inputs for layer in layers)
    samples = [shown_samples(layer).ravel() for layer in layers]
    if ids is None or not any(map(len, samples)):
        return None
    shown = np.unique(np.concatenate(samples))
    shown = shown[shown >= 0]
    return {"samples": packed(shown, "i4"), "ids": [str(key) for key in ids[shown]]}


def _source(folder: str, names: tuple[str, ...], suffix: str) -> str:
    """The page's own script or style, of several files."""
    templates = resources.files(PACKAGE).joinpath("templates", folder)
    return "\n".join(
        templates.joinpath(f"{name}.{suffix}").read_text(encoding="utf-8")
        for name in names
    )


def _hash(text: str) -> str:
    """What the page's policy knows its own script by."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def write_page(path: Path, text: str) -> None:
    """Write the page whole, for all to read; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
