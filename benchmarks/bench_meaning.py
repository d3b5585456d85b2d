"""Are labels what a person should read? MiniLM's neurons, and planted ones.

The corpus of `ewt.py`; half of the documents are searched, half judge. A label is *seen
at the top* if it holds on at least 10 of the 20 highest held-out words of its neuron,
and on more than its share of all words explains (binomial p at most .001).

labels: each way to choose a label, by what fires the neurons, with held-out AUROC
(medians), lengths and notes. "longest" is the baseline: max_length 3, beam 5, at least
50 searched words. "chosen on half" takes the length by half of the held-out documents
and judges on the other half, so that nothing is judged by what chose it.
bounds: the simplest labels of one layer, by how many searched words they must hold on.
planted: normal neurons shifted where a concept of the corpus holds, or a pair: how
often `simplest` is that concept; how often the search finds the pair as the best of two
literals, of pairs whose second concept is worth .05 and that hold on 50 held-out words,
and how often `simplest` keeps both of those. Where the search finds others, most hold
on much the same words, as `upos=SCONJ & genre=email` for `deprel=mark & genre=email`.
intervals: how often held-out intervals of simple labels cover the AUROC of the words
not used at all, beside those of the full length.
cost: `explain` with the panel over without, in processor seconds of pairs that take
turns.

    python benchmarks/ewt.py --weights FOLDER --data FOLDER -o ewt
    python benchmarks/bench_meaning.py ewt
"""

import argparse
import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ewt
import numpy as np
import report
import timing
from jaxtyping import Bool, Float, Int
from scipy import stats

import invert_jax as ij
from invert_jax.engine.holdout_scores import held_out_scores
from invert_jax.engine.holdout_split import Split
from invert_jax.explanations.panel_scores import Samples, panel_of
from invert_jax.explanations.simplest import with_labels

QUIET = ij.Options(progress=False)
SEARCH: dict[str, Any] = {"max_length": 3, "beam_size": 5}
BASE, RECOMMENDED = 50, 75
BOUNDS = (20, 50, 100, 250, 500, 1250)
METRIC = "harmonic_auc_0.005"
HITS, LEVEL = 10, 0.001
STRENGTH = 1.5


def explained(
    corpus: ewt.Corpus, activations: Any, *, num_words: int, **settings: Any
) -> ij.Explanations:
    """Labels that hold on at least so many of the searched words."""
    # Half of the words are searched, or about so many: documents stay whole.
    return ij.explain(
        activations, corpus.concepts, **SEARCH,
        min_fraction=2 * num_words / len(corpus.ids), holdout=0.5, key=0,
        groups=corpus.documents, options=QUIET, **settings,
    )  # fmt: skip


def seen_at_top(labels: ij.Explanations) -> Bool[np.ndarray, " neurons"]:
    """Which labels hold on many of the highest words, beyond their share of all."""
    assert labels.panel is not None and labels.held_out is not None
    hits = labels.panel["precision_at_top"] * labels.panel.num_highest
    # Of tied words a part is expected; a test needs whole ones.
    whole = np.floor(hits + 1e-9)
    share = labels.held_out.num_positives[:, 0] / labels.held_out.num_samples
    p = stats.binom.sf(whole - 1, labels.panel.num_highest, share)
    return (whole >= HITS) & (p <= LEVEL)


def ways(
    base: ij.Explanations, larger: ij.Explanations
) -> Iterator[tuple[str, ij.Explanations]]:
    """The ways to choose a label."""
    for words, labels in ((BASE, base), (RECOMMENDED, larger)):
        name = f"at least {words} words"
        yield f"{name}, longest", labels
        yield f"{name}, simplest", labels.simplest()
        yield f"{name}, simplest by {METRIC}", labels.simplest(metric=METRIC)


def measured(labels: ij.Explanations) -> dict[str, Any]:
    """What is told of the labels of a layer, per neuron."""
    assert labels.panel is not None and labels.held_out is not None
    kinds = [{note.split(":")[0] for note in notes} for notes in labels.label_notes]
    return {
        "seen": seen_at_top(labels),
        "auroc": labels.held_out.scores[:, 0],
        "average_precision": labels.panel["average_precision"],
        "precision_at_top": labels.panel["precision_at_top"],
        "length": labels.lengths[:, -1, 0],
        **{
            kind: np.array([kind in each for each in kinds])
            for kind in ("at_bound", "idle_literal", "rarer_concept", "misses_top")
        },
    }


def summary(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Shares, medians and counts over all layers."""
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    medians = ("auroc", "average_precision")
    counts = np.bincount(found.pop("length"), minlength=SEARCH["max_length"] + 1)
    return {
        name: float(np.nanmedian(values) if name in medians else np.nanmean(values))
        for name, values in found.items()
    } | {"lengths": counts[1:].tolist()}


def label_rows(
    corpus: ewt.Corpus, layers: Mapping[str, ij.Activations], step: int
) -> dict[str, Any]:
    """Every way to choose labels, over all layers."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for layer in layers.values():
        neurons = np.arange(0, layer.num_neurons, step)
        base, larger = (
            explained(corpus, layer, num_words=words, neurons=neurons)
            for words in (BASE, RECOMMENDED)
        )
        for name, labels in ways(base, larger):
            parts.setdefault(name, []).append(measured(labels))
        for words, labels in ((BASE, base), (RECOMMENDED, larger)):
            for name, judged in on_halves(corpus, layer, labels):
                key = f"at least {words} words, {name}, chosen on half"
                parts.setdefault(key, []).append(judged)
    return {name: summary(each) for name, each in parts.items()}


def bound_rows(corpus: ewt.Corpus, layer: ij.Activations, step: int) -> dict[str, Any]:
    """What `min_fraction` does to the labels of a layer."""
    neurons = np.arange(0, layer.num_neurons, step)
    return {
        f"at least {words} words, simplest": summary([measured(
            explained(corpus, layer, num_words=words, neurons=neurons).simplest()
        )])
        for words in BOUNDS
    }  # fmt: skip


def on_halves(
    corpus: ewt.Corpus, layer: ij.Activations, labels: ij.Explanations
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same where half of the held-out documents choose and the others judge."""
    assert labels.held_out is not None
    samples = labels.held_out.samples
    chooses = corpus.documents[samples] % 2 == 0
    choosing, judging = (
        judged_on(corpus, layer, labels, samples[part]) for part in (chooses, ~chooses)
    )
    chosen = choosing.simplest(metric=METRIC).label_lengths
    assert chosen is not None
    full = np.full_like(chosen, labels.max_length)
    for name, lengths in (("longest", full), (f"simplest by {METRIC}", chosen)):
        yield name, measured(with_labels(judging, lengths))


def judged_on(
    corpus: ewt.Corpus,
    layer: ij.Activations,
    labels: ij.Explanations,
    samples: Int[np.ndarray, " judged"],
) -> ij.Explanations:
    """The same labels, judged on other words."""
    concepts, searched = corpus.concepts.take(samples), labels.samples
    assert searched is not None
    split = Split(searched, samples, concepts)
    searched_words = Samples(searched, corpus.concepts.take(searched))
    panel = panel_of(labels, layer, searched_words, Samples(samples, concepts))
    held_out = held_out_scores(labels, layer, split)
    return dataclasses.replace(labels, held_out=held_out, panel=panel)


def planted_rows(corpus: ewt.Corpus, seed: int) -> dict[str, Any]:
    """How often planted concepts, and pairs of them, are the simplest label."""
    rng = np.random.default_rng(seed)
    masks = corpus.concepts.masks()
    names = corpus.concepts.names
    singles = np.flatnonzero(
        (masks.sum(0) >= 4 * BASE) & (masks.mean(0) <= 0.4)
    ).tolist()
    pairs = planted_pairs(rng, masks)
    truths = np.stack(
        [masks[:, each] for each in singles] + [pair.truth for pair in pairs], axis=1
    )
    values = STRENGTH * truths + rng.normal(size=truths.shape)
    labels = explained(corpus, values.astype(np.float32), num_words=BASE)
    assert labels.held_out is not None
    found, longest = names_of(labels.simplest()), names_of(labels)
    worth = worth_of(pairs, masks, values[:, len(singles) :])
    positives = [pair.truth[labels.held_out.samples].sum() for pair in pairs]
    counts = (worth >= 0.05) & (np.array(positives) >= 50)
    planted = [{names[pair.first], names[pair.second]} for pair in pairs]
    of_two, kept = (
        np.array([
            pair <= set(label)
            for pair, label in zip(planted, some[len(singles) :], strict=True)
        ])
        for some in (names_of(labels.at_length(2)), found)
    )  # fmt: skip
    own = [
        [label == (names[each],) for each, label in zip(singles, some, strict=False)]
        for some in (found, longest)
    ]
    return {
        "num_singles": len(singles),
        "singles_found": float(np.mean(own[0])),
        "singles_found_by_longest": float(np.mean(own[1])),
        "num_pairs": int(counts.sum()),
        "pairs_found": float(of_two[counts].mean()),
        "pairs_kept": float(kept[counts & of_two].mean()),
    }


def names_of(labels: ij.Explanations) -> list[tuple[str, ...]]:
    """The concepts of each label."""
    return [() if each is None else each.names for each, *_ in labels.formulas]


class Pair(NamedTuple):
    """Two concepts that are planted together.

    Attributes:
        first: Column of one.
        second: Column of the other.
        truth: Where both hold.
    """

    first: int
    second: int
    truth: Bool[np.ndarray, " words"]


def planted_pairs(
    rng: np.random.Generator, masks: Bool[np.ndarray, "words concepts"]
) -> list[Pair]:
    """Two hundred pairs that hold together on enough words, neither in the other."""
    pairs: list[Pair] = []
    while len(pairs) < 200:
        first, second = rng.choice(masks.shape[1], 2, replace=False).tolist()
        truth = masks[:, first] & masks[:, second]
        parts = masks[:, [first, second]].sum(0)
        if truth.sum() >= 4 * BASE and (truth.sum() < 0.8 * parts).all():
            pairs.append(Pair(first, second, truth))
    return pairs


def worth_of(
    pairs: Sequence[Pair],
    masks: Bool[np.ndarray, "words concepts"],
    values: Float[np.ndarray, "words pairs"],
) -> Float[np.ndarray, " pairs"]:
    """By how much a pair's AUROC exceeds that of the better of its concepts."""
    worth = []
    for place, pair in enumerate(pairs):
        three = np.stack([pair.truth, masks[:, pair.first], masks[:, pair.second]], 1)
        both, *alone = ij.auroc(values[:, [place]], three, options=QUIET)[0]
        worth.append(both - max(alone))
    return np.array(worth)


def interval_rows(
    corpus: ewt.Corpus, layer: ij.Activations, step: int, seed: int
) -> dict[str, float]:
    """How often held-out intervals cover the AUROC of words that are not used."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(corpus.ids))
    used, rest = np.sort(order[:12_000]), np.sort(order[12_000:])
    values = np.asarray(layer.values[:, ::step])
    labels = ij.explain(
        values[used], corpus.concepts.take(used), **SEARCH, min_fraction=0.01,
        holdout=0.5, key=0, options=QUIET,
    )  # fmt: skip
    table = corpus.concepts.take(rest)
    return {
        name: covered(chosen, values[rest], table)
        for name, chosen in (
            ("longest", labels),
            ("one literal", labels.at_length(1)),
            ("simplest", labels.simplest()),
        )
    }


def covered(
    labels: ij.Explanations,
    values: Float[np.ndarray, "words neurons"],
    table: ij.Concepts,
) -> float:
    """Share of the intervals that hold the AUROC of other words."""
    assert labels.held_out is not None
    low, high = labels.held_out.intervals[:, 0].T
    scores = np.array([
        ij.auroc(values[:, [place]], formula.evaluate(table)[:, None], options=QUIET)
        for place, (formula, *_) in enumerate(labels.formulas)
        if formula is not None
    ])[:, 0, 0]  # fmt: skip
    return float(((low <= scores) & (scores <= high)).mean())


def cost(
    corpus: ewt.Corpus, layer: ij.Activations, step: int, num_pairs: int
) -> dict[str, float]:
    """Processor seconds of `explain` with the panel, over those without."""
    ratios = []
    for pair in range(num_pairs + 1):
        seconds = {}
        for has_panel in (True, False)[:: -1 if pair % 2 else 1]:
            with timing.Stopwatch() as watch:
                explained(
                    corpus, layer, num_words=BASE, panel=has_panel,
                    neurons=np.arange(0, layer.num_neurons, step),
                )  # fmt: skip
            seconds[has_panel] = watch.cpu
        ratios.append(seconds[True] / seconds[False])
    # The first compiles.
    return {"with panel/without": statistics.median(ratios[1:])}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one record."""
    corpus, layers = ewt.load(options.folder), ewt.layers(options.folder)
    first, middle = layers[ewt.LAYERS[0]], layers[ewt.LAYERS[3]]
    return {
        "benchmark": "meaning",
        "num_words": len(corpus.ids),
        "num_neurons": sum(-(-each.num_neurons // options.step)
                           for each in layers.values()),
        "search": SEARCH,
        "cost": cost(corpus, first, 6, options.pairs),
        "labels": label_rows(corpus, layers, options.step),
        "bounds": bound_rows(corpus, middle, 6),
        "planted": planted_rows(corpus, seed=0),
        "intervals": interval_rows(corpus, first, 6, seed=0),
        **timing.environment(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what ewt.py wrote")
    parser.add_argument("--step", type=int, default=1, help="every so many neurons")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of the cost")
    parser.add_argument("--out", type=Path, help="file to add the JSON line to")
    options = parser.parse_args()
    record = run(options)
    print(report.meaning_table(record))
    if options.out:
        timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
