"""Why the textbook p-value misleads after a search, and what ours means: the figure.

ImageNet's concepts on 50,000 samples, at least 50 positives, formulas of up to three
literals. Neurons without a meaning are labeled: without ties, with 90 % and 99.8 %
zeros. To the left how many of them reach an AUROC, dotted where 5 % do; to the right
how often their p-value is at most p. A p-value that means what it says follows the
diagonal. Prints the numbers.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timing
from bench_null import QUIET, quantiles
from jaxtyping import Float

import invert_jax as ij
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney
from invert_jax.core.statistics.permutations import permutation_p, reached

NUM_SAMPLES = 50_000
SHARES = {"no ties": 0.0, "90 % zeros": 0.9, "99.8 % zeros": 0.998}
COLORS = ("#4269d0", "#efb118", "#3ca951")
TEXTBOOK = "#ff725c"
FLOOR = 1e-3
ALPHA = 0.05


class Noise(NamedTuple):
    """Meaningless neurons of one kind.

    Attributes:
        scores: Best AUROC of each.
        textbook: Mann-Whitney p-value of that formula, uncorrected.
        searched: p-value against as many other meaningless neurons.
    """

    scores: Float[np.ndarray, " neurons"]
    textbook: Float[np.ndarray, " neurons"]
    searched: Float[np.ndarray, " neurons"]


def meaningless(share: float, *, num_draws: int) -> Noise:
    """Label meaningless neurons, and compare them with others."""
    concepts = ij.concepts.imagenet(np.arange(NUM_SAMPLES) % 1000)
    like = ij.explain(
        one_neuron(share), concepts, beam_size=3, min_fraction=0.001, options=QUIET
    )
    neurons, others = (
        ij.null_distribution(
            concepts, like, num_draws=num_draws, key=key, options=QUIET
        )
        for key in (0, 1)
    )
    (pattern,) = neurons.patterns
    ties = float(sum(size**3 - size for _, size in pattern))
    log10_p = log10_mannwhitney(
        neurons.sums[0, :, -1],
        neurons.supports[0, :, -1],
        np.full(num_draws, ties),
        num_samples=NUM_SAMPLES,
    )
    scores, drawn = neurons.scores[0, :, -1], others.scores[0, :, -1]
    searched = permutation_p(reached(scores, drawn), num_draws=num_draws)
    return Noise(scores, 10**log10_p, searched)


def one_neuron(share: float) -> Float[np.ndarray, "samples 1"]:
    """A neuron with the share of zeros."""
    active = round(NUM_SAMPLES * (1 - share))
    values = np.zeros((NUM_SAMPLES, 1), np.float32)
    values[:active, 0] = 1 + np.arange(active)
    return np.random.default_rng(0).permuted(values, axis=0)


def draw(noise: dict[str, Noise], path: Path) -> None:
    """Both panels, as SVG or whatever the name of the file says."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # The same file from the same numbers.
    with pyplot.rc_context({"svg.hashsalt": "null", "font.size": 9}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6))
        for (name, found), color in zip(noise.items(), COLORS, strict=True):
            draw_scores(left, found, name, color)
            draw_levels(right, found.searched, f"p_search, {name}", color, "-")
        textbook = noise["no ties"].textbook
        draw_levels(right, textbook, "textbook p-value, no ties", TEXTBOOK, "--")
        right.plot((FLOOR, 1), (FLOOR, 1), color="0.75", lw=1, zorder=0)
        right.axvline(ALPHA, color="0.75", lw=1, ls=":", zorder=0)
        left.set(title="Best AUROC of neurons without a meaning", xlabel="AUROC")
        left.set(ylabel="share that reaches it", ylim=(0, 1.12))
        left.xaxis.set_major_locator(pyplot.MultipleLocator(0.05))
        right.set(title="Their p-values", xlabel="p", ylabel="share with p-value ≤ p")
        right.set(xscale="log", yscale="log", xlim=(FLOOR, 1), ylim=(FLOOR / 2, 1.6))
        right.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.02))
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout(w_pad=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_svg = path.suffix == ".svg"
        figure.savefig(path, dpi=110, metadata={"Date": None} if is_svg else None)
        pyplot.close(figure)


def draw_scores(axes, found: Noise, name: str, color: str) -> None:
    """How many reach a score, and the score that 5 % reach."""
    ordered = np.sort(found.scores)
    shares = np.arange(len(ordered), 0, -1) / len(ordered)
    axes.step((0.5, *ordered), (1, *shares), color=color, lw=1.5)
    axes.axvline(
        np.quantile(ordered, 1 - ALPHA), 0, 1 / 1.12, color=color, lw=1, ls=":"
    )
    middle = np.median(found.scores)
    axes.text(middle, 1.03, name, color=color, ha="center", va="bottom")


def draw_levels(axes, p_values, label: str, color: str, style: str) -> None:
    """How often a p-value is at most p."""
    ordered = np.sort(p_values)
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    places, heights = (*ordered, 1), (*shares, 1)
    axes.step(places, heights, style, where="post", color=color, lw=1.5, label=label)


def numbers(noise: dict[str, Noise], num_draws: int) -> dict[str, Any]:
    """What the figure shows, in numbers, as a record."""
    kinds = {
        name: {
            "best score": quantiles(found.scores),
            "textbook p": float(np.median(found.textbook)),
            "level": {
                "textbook": float((found.textbook <= ALPHA).mean()),
                "p_search": float((found.searched <= ALPHA).mean()),
            },
        }
        for name, found in noise.items()
    }
    return {
        "benchmark": "null figure",
        "num_samples": NUM_SAMPLES,
        "num_neurons": num_draws,
        "num_draws": num_draws,
        "alpha": ALPHA,
        "error": (ALPHA * (1 - ALPHA) * 2 / num_draws) ** 0.5,
        "kinds": kinds,
        **timing.environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="the figure to write, such as null.svg")
    parser.add_argument("--draws", type=int, default=2000, help="neurons of each kind")
    parser.add_argument("--out", type=Path, help="file to add a JSON line to")
    options = parser.parse_args()
    noise = {
        name: meaningless(share, num_draws=options.draws)
        for name, share in SHARES.items()
    }
    record = numbers(noise, options.draws)
    for name, found in record["kinds"].items():
        score, level = found["best score"], found["level"]
        print(
            f"{name:14} best AUROC: median {score['50 %']:.3f}, 95 % point "
            f"{score['95 %']:.3f}; textbook p: median {found['textbook p']:.1e}; "
            f"p <= {ALPHA}: textbook {level['textbook']:.1%}, p_search "
            f"{level['p_search']:.1%}"
        )
    draw(noise, options.path)
    if options.out:
        timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
