"""The sentences of the page: what was run, and what could not be shown."""

from collections.abc import Iterable

from invert_jax.disk import without_folders
from invert_jax.explanations.explanations import Explanations
from invert_jax.reports.html.pictures import Pictures
from invert_jax.reports.material import LayerInputs

RECORDED = ("model", "data", "preprocessing", "activations_at", "concepts_at")


def run_sentences(name: str, explanations: Explanations) -> list[str]:
    """The run in a paragraph: layer, data, what was searched for, what was tested."""
    settings = explanations.settings
    smallest, largest = settings.bounds(explanations.num_samples)
    layer = name or "a layer"
    detects = "detects" if settings.sign == "positive" else "is low for"
    num_synonyms = sum(map(len, explanations.synonyms.values()))
    num_out = len(explanations.left_out)
    searched = len(explanations.concept_names) - num_out - num_synonyms
    more = f" ({num_synonyms:,} more hold on the same samples as one of these)"
    sentences = [
        f"{counted(explanations.num_neurons, 'unit')} of {layer} on "
        f"{counted(explanations.num_samples, 'sample')}, explained by "
        f"{counted(searched, 'concept')}{more * (num_synonyms > 0)}.",
        "Each unit has the formula of at most "
        f"{counted(settings.max_length, 'literal')} that its activation {detects} "
        f"best, among those that hold on {smallest:,} to {largest:,} samples.",
    ]
    if explanations.label_lengths is not None:
        judged = "held-out samples" if explanations.held_out else "these samples"
        sentences.append(
            "Shown is the shortest of the best formulas of each length that is as good "
            f"on {judged}."
        )
    if settings.num_literals is not None:
        sentences.append(
            f"Only the {settings.num_literals} most telling literals of a unit could "
            "extend a formula."
        )
    significance, held_out = explanations.significance, explanations.held_out
    if significance is not None:
        sentences.append(
            f"A label is called chance where its q-value, the share of false labels "
            f"among those as good, exceeds {significance.alpha:.3g}; by "
            f"{significance.num_draws:,} searches on meaningless units."
        )
    if held_out is not None:
        part = (
            f"{held_out.num_samples:,} samples" if held_out.num_samples else "samples"
        )
        sentences.append(f"Held-out scores are from {part} that no search has seen.")
    recorded = [
        f"{key.removesuffix('_at')}: {without_folders(explanations.sources[key])}"
        for key in RECORDED
        if key in explanations.sources
    ]
    return sentences + [f"Made of {'; '.join(recorded)}."] * bool(recorded)


def score_meanings(layers: Iterable[Explanations]) -> list[str]:
    """What each of the scores in the page says, once."""
    meanings = (layer.settings.how_to_score.meaning for layer in layers)
    return list(dict.fromkeys(meanings))


def missing_notes(
    layer: LayerInputs,
    pictures: Pictures,
    *,
    has_images: bool,
    has_maps: bool,
) -> list[str]:
    """What the page leaves out of a layer, and what it would need to show it."""
    has_activations = layer.activations is not None
    has_concepts = layer.concepts is not None
    notes = []
    if not has_activations:
        notes.append(
            "No activations were given, so there are no top samples, distributions or "
            "ROC curves, and no scores without single literals."
        )
    if not has_concepts:
        notes.append(
            "No concepts were given, so it is not known on which samples a formula "
            "holds, and names have no descriptions."
        )
    if has_activations and not has_concepts:
        notes.append(
            "Without concepts the activations could not be checked against the labels, "
            "but for how many samples of a unit are equal."
        )
    if has_activations and not has_images:
        notes.append("No images were given, so samples are shown by their ids.")
    if pictures.num_left_out:
        notes.append(
            f"{pictures.num_left_out:,} of the images did not fit into the page; the "
            "units of the best scores have theirs, and the rest show ids."
        )
    if has_maps and layer.explanations.settings.sign == "negative":
        notes.append(
            "Maps are not drawn: units were explained by what they are low for, and a "
            "map shows where a unit is high."
        )
    if has_images and not has_maps:
        notes.append(
            "No maps were given, so where a unit fires is not drawn over its images."
        )
    if layer.explanations.significance is None:
        notes.append(
            "No null was given (with_null), so it is not known which labels a "
            "search would find by chance."
        )
    if layer.explanations.held_out is None:
        notes.append(
            "No samples were held out, so scores are of the samples that the formulas "
            "were chosen on, and tend to be too good."
        )
    return notes


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "unit"), counted(2048, "unit")
    ('1 unit', '2,048 units')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
