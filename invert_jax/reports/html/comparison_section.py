"""The section of the page on what became of the labels: bar, plot and table."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from invert_jax.analyses.comparison import Comparison
from invert_jax.analyses.pairs import CHANGED, KEPT
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.printing import FORMULA, cells_of
from invert_jax.reports.html.encoding import well_formed
from invert_jax.reports.material import LayerInputs

ROWS_SHOWN = 1000
# Of the plot, in its own units: 0.5 or the least score at the left, 1 at the right.
LEFT, RIGHT, TOP, BOTTOM = 50, 310, 10, 270


class Side(NamedTuple):
    """One label of a pair, as text; empty where there is none.

    Attributes:
        unit: Name of the unit.
        link: Its place in the page, if it is there.
        formula: In words.
        score: Of the search.
        held_out: Held-out score.
        interval: Its 95 % interval.
    """

    unit: str = ""
    link: str = ""
    formula: str = ""
    score: str = ""
    held_out: str = ""
    interval: str = ""


def comparison_sections(comparison, layers: list[LayerInputs]) -> list[dict]:
    """What the template needs of each comparison.

    Args:
        comparison: From `compare`; or a dict of those by layer; None for none.
        layers: The layers of the page.
    """
    if comparison is None:
        return []
    by_layer = comparison if isinstance(comparison, Mapping) else {None: comparison}
    places: dict[str | None, int] = {each.name: at for at, each in enumerate(layers)}
    for name, each in by_layer.items():
        if not isinstance(each, Comparison):
            raise TypeError(
                "`comparison` must be what `compare` gives, or a dict of it by layer; "
                f"got {type(each).__name__}."
            )
        if name is not None and name not in places:
            raise ValueError(
                f"`comparison` must be by the names of the layers; got {name!r}."
            )
    return [
        _section(each, layers) | {"layer": places.get(name)}
        for name, each in by_layer.items()
    ]


def _section(comparison: Comparison, layers: list[LayerInputs]) -> dict:
    pairs = comparison.order[:ROWS_SHOWN].tolist()
    sides = (comparison.a, comparison.b)
    links = [_links(each, layers) for each in sides]
    rows = [
        {
            "outcome": str(comparison.outcome[pair]),
            "said": well_formed(comparison.said(str(comparison.outcome[pair]))),
            "overlap": comparison.overlap[pair],
            "a": _side(comparison.a, int(comparison.first[pair]), links[0]),
            "b": _side(comparison.b, int(comparison.second[pair]), links[1]),
        }
        for pair in pairs
    ]
    return {
        "names": [well_formed(name) for name in comparison.names],
        "score_names": [each.score_name for each in sides],
        "by_neuron": comparison.match == "neuron",
        "counts": [
            (outcome, well_formed(comparison.said(outcome)), count)
            for outcome, count in comparison.counts.items()
        ],
        "rows": rows,
        "num_pairs": len(comparison),
        "has_overlap": bool((~np.isnan(comparison.overlap)).any()),
        "has_held_out": any(row["a"].held_out or row["b"].held_out for row in rows),
        "medians": _medians(comparison),
        "plot": _plot(comparison, pairs),
    }


def _links(explanations: Explanations, layers: list[LayerInputs]) -> str | None:
    """Where the units of a set are in the page, before their number; None if not."""
    for layer in layers:
        if layer.explanations is explanations:
            # As encodeURIComponent of the page's script writes it.
            name = quote(well_formed(layer.name), safe="!'()*~-._")
            return f"#{name}/unit-" if len(layers) > 1 else "#unit-"
    return None


def _side(explanations: Explanations, position: int, link: str | None) -> Side:
    """The best label of a unit."""
    if position < 0:
        return Side()
    cells = cells_of(explanations, position)
    return Side(
        well_formed(explanations.neuron_names[position]),
        "" if link is None else f"{link}{explanations.neurons[position]}",
        well_formed(cells[FORMULA]),
        cells.get(explanations.score_name, ""),
        cells.get("held out", ""),
        cells.get("95 %", "").replace("-", "\u2013"),
    )


def _medians(comparison: Comparison) -> tuple[str, str] | None:
    """Median score of the pairs that have a label on both sides, of either side."""
    both = np.isin(comparison.outcome, (KEPT, CHANGED))
    if not both.any():
        return None
    a = comparison.a.scores[comparison.first[both], 0]
    b = comparison.b.scores[comparison.second[both], 0]
    return f"{np.median(a):.4f}", f"{np.median(b):.4f}"


def _plot(comparison: Comparison, pairs: list[int]) -> dict | None:
    """Scores of both labels of each pair against each other."""
    shown = [
        pair
        for pair in pairs
        if comparison.first[pair] >= 0 and comparison.second[pair] >= 0
    ]
    x = comparison.a.scores[comparison.first[shown], 0]
    y = comparison.b.scores[comparison.second[shown], 0]
    known = ~np.isnan(x + y)
    if not known.any():
        return None
    low = float(np.floor(10 * min(x[known].min(), y[known].min())) / 10)
    low, high = min(low, 0.9), 1.0

    def across(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    def up(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    step = 0.1 if high - low > 0.25 else 0.05
    ticks = np.arange(low, high + 1e-9, step)
    return {
        "box": (LEFT, RIGHT, TOP, BOTTOM),
        "ticks": [(f"{tick:.2f}", across(tick), up(tick)) for tick in ticks.tolist()],
        "points": [
            {
                "x": round(across(x[at]), 1),
                "y": round(up(y[at]), 1),
                "outcome": str(comparison.outcome[shown[at]]),
                "label": well_formed(
                    f"{comparison.a.neuron_names[comparison.first[shown[at]]]}: "
                    f"{x[at]:.4f}, {y[at]:.4f}"
                ),
            }
            for at in np.flatnonzero(known).tolist()
        ],
    }
