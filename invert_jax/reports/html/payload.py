"""A layer as the page's script reads it."""

import numpy as np
from jaxtyping import Int

from invert_jax.explanations.explanations import Explanations
from invert_jax.reports.behavior import FALSE_POSITIVE_RATES, Behavior
from invert_jax.reports.html.encoding import packed, packed_floats
from invert_jax.reports.material import LayerInputs, sample_indices
from invert_jax.reports.summary import Summary

NUM_UNDETECTED = 500
NUM_BARS = 40


def layer_payload(
    layer: LayerInputs, behavior: Behavior | None, summary: Summary
) -> dict:
    """All that the page knows of a layer, but its images."""
    explanations = layer.explanations
    used, literals = used_concepts(explanations, behavior)
    statuses = list(summary.num_by_status)
    codes = {status: code for code, status in enumerate(statuses)}
    names = list(explanations.neuron_names)
    plain = names == [str(neuron) for neuron in explanations.neurons.tolist()]
    return {
        "name": layer.name,
        "sign": explanations.settings.sign,
        "scoreName": explanations.score_name,
        "numSamples": explanations.num_samples,
        "neurons": packed(explanations.neurons, "i4"),
        "names": None if plain else names,
        "statuses": statuses,
        "status": packed(
            np.array([codes[str(each)] for each in explanations.status]), "u1"
        ),
        "concepts": [_concept(layer, column) for column in used],
        # One more, so that 0 is no literal.
        "literals": packed(literals + 1, "u2" if 2 * len(used) < 65535 else "i4"),
        "operators": packed(explanations.operators, "i4"),
        "maxLength": explanations.max_length,
        "scores": packed(_scores_of_steps(explanations), "f8"),
        "supports": packed(explanations.supports, "i4"),
        "evidence": _evidence(explanations),
        "behavior": None if behavior is None else _behavior(layer, behavior, used),
        "summary": _summary(summary, used),
    }


def used_concepts(
    explanations: Explanations, behavior: Behavior | None = None
) -> tuple[list[int], Int[np.ndarray, "neurons steps beam length"]]:
    """Columns of the concepts that the page names, and literals in terms of those."""
    literals = explanations.literals
    columns = [literals[literals >= 0] // 2]
    if behavior is not None:
        columns.append(behavior.concepts[behavior.concepts >= 0])
    if explanations.panel is not None:
        rarer = explanations.panel.rarer_concepts
        columns.append(rarer[rarer >= 0])
    used = np.unique(np.concatenate(columns))
    place = np.searchsorted(used, np.maximum(literals, 0) // 2)
    return used.tolist(), np.where(literals < 0, -1, 2 * place + literals % 2)


def _scores_of_steps(explanations: Explanations) -> np.ndarray:
    """Scores after each step, [neurons, steps, beam]."""
    return explanations.settings.how_to_score.score(
        explanations.rank_sums,
        explanations.supports,
        num_samples=explanations.num_samples,
    )


def _concept(layer: LayerInputs, column: int) -> dict:
    """Name, definition, size and synonyms of a concept."""
    name = layer.explanations.concept_names[column]
    concept: dict = {"name": name}
    synonyms = layer.explanations.synonyms.get(name)
    if synonyms:
        concept["synonyms"] = list(synonyms)
    if layer.concepts is not None:
        at = int(layer.concepts.columns([name])[0])
        concept["count"] = int(layer.concepts.num_positives[at])
        descriptions = layer.concepts.descriptions
        if descriptions is not None and descriptions[at]:
            concept["description"] = descriptions[at]
    return concept


def _evidence(explanations: Explanations) -> dict:
    """What a null and held-out samples say of the best formulas, if there are any."""
    found: dict = {}
    if explanations.significance is not None:
        found["q"] = packed(explanations.q_value, "f8")
    held_out = explanations.held_out
    if held_out is not None:
        found |= {
            "heldOut": packed(held_out.scores[:, 0], "f8"),
            "interval": packed(held_out.intervals[:, 0], "f8"),
            "without": packed(held_out.scores_without, "f8"),
            "alternative": packed(held_out.is_alternative, "u1"),
            "support": packed(held_out.num_positives[:, 0], "i4"),
            "numHeldOut": held_out.num_samples,
            "byLength": packed(held_out.scores_by_length, "f4"),
        }
    panel = explanations.panel
    if panel is not None:
        found |= {
            "averagePrecision": packed(panel["average_precision"], "f4"),
            "precisionAtTop": packed(panel["precision_at_top"], "f4"),
            "precisionAt": panel.precision_at,
            "numHighest": panel.num_highest,
            "isHeldOut": panel.is_held_out,
        }
    notes = explanations.label_notes
    if any(notes):
        found["notes"] = list(map(list, notes))
    return found


def _behavior(layer: LayerInputs, behavior: Behavior, used: list[int]) -> dict:
    """Arrays of the behavior, samples as indices among all, concepts by their place."""
    place = np.searchsorted(used, np.maximum(behavior.concepts, 0))
    return {
        "rates": FALSE_POSITIVE_RATES.round(5).tolist(),
        "hasSupport": layer.concepts is not None,
        "low": packed_floats(behavior.low),
        "high": packed_floats(behavior.high),
        "numLowest": packed(behavior.num_lowest, "i4"),
        "inside": packed(behavior.inside, "u2"),
        "outside": packed(behavior.outside, "u2"),
        "tpr": packed(behavior.true_positive_rates, "u1"),
        "top": packed(sample_indices(layer, behavior.top), "i4"),
        "topValues": packed_floats(behavior.top_values),
        "topInside": packed(behavior.top_inside, "u1"),
        "bottom": packed(sample_indices(layer, behavior.bottom), "i4"),
        "bottomValues": packed_floats(behavior.bottom_values),
        "bottomInside": packed(behavior.bottom_inside, "u1"),
        "positives": packed(sample_indices(layer, behavior.positives), "i4"),
        "positivesValues": packed_floats(behavior.positives_values),
        "misses": packed(sample_indices(layer, behavior.misses), "i4"),
        "missesValues": packed_floats(behavior.misses_values),
        "numHighest": packed(behavior.num_highest, "u1"),
        "concepts": packed(np.where(behavior.concepts < 0, -1, place), "i4"),
        "conceptHits": packed(behavior.concept_hits, "f4"),
        "without": packed(behavior.without, "f4"),
    }


def _summary(summary: Summary, used: list[int]) -> dict:
    """The summary, concepts by their place among those used."""
    uses = summary.uses[used]
    order = np.lexsort((-uses[:, 1], -uses[:, 0]))[:NUM_BARS]
    return {
        "statuses": summary.num_by_status,
        "bars": [
            [int(place), *uses[place].tolist()] for place in order if uses[place].any()
        ],
        "numConcepts": int((summary.uses[:, 0] > 0).sum()),
        "quartiles": _finite(summary.quartiles),
        "means": _finite(summary.mean_score),
        "byLength": summary.num_by_length.tolist(),
        "byKinds": list(summary.num_by_kinds.items()),
        "undetected": list(summary.undetected[:NUM_UNDETECTED]),
        "numUndetected": len(summary.undetected),
    }


def _finite(values: np.ndarray) -> list:
    """Nested lists, None for nan, which JSON does not know."""
    numbers = values.astype(object)
    numbers[np.isnan(values)] = None
    return numbers.tolist()
