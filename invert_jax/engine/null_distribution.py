"""`null_distribution`: what the same search finds on meaningless neurons."""

from collections.abc import Mapping, Sequence

import numpy as np

from invert_jax.checks import check_whole
from invert_jax.concepts.table import Concepts
from invert_jax.core.randomness import Key, seed_of
from invert_jax.core.statistics import drawn_patterns, tie_patterns
from invert_jax.engine.null_draws import Drawing
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.null import Null
from invert_jax.explanations.same_run import explained_table
from invert_jax.progress import progress_bar
from invert_jax.settings import Options, checked_options


def null_distribution(
    concepts: Concepts,
    like: Explanations | Mapping[str, Explanations],
    *,
    num_draws: int = 2000,
    key: Key,
    options: Options | None = None,
) -> Null:
    """Label random permutations with the very same search, for p-values valid after it.

    The best score that a neuron without meaning reaches depends on the concepts, the
    settings and the neuron's ties [1]. Those at the lowest value, as left by a
    rectifier, are drawn on a grid of their number: a neuron uses the next smaller one,
    with a null that is wider by up to 4.4 %. A neuron with more than a twentieth of the
    samples at another value has draws of its own for all such groups, shared with the
    neurons of the same; with sign "negative" any neuron has. Where there are more than
    64 such patterns, as of counts and quantized values, the draws of a rectified neuron
    stand for them whose midranks are as skewed or more, scaled to their variance. Ties
    that the draws lack make scores come in steps: where supports are too small to
    smooth those, a draw counts if it comes so near that the ties could make up for it,
    by one step at most. What was drawn before is not drawn again.

    Args:
        concepts: Those that were explained by.
        like: The explanations to judge, whose settings and ties are used; or a dict of
            layers.
        num_draws: Permutations per tie pattern; p-values are at least 1 / (1 + that),
            so that of 10,000 neurons 100 must reach it for a q-value of 0.05 by 2,000
            draws: ask for more where few neurons may have a meaning. Below 500 draws
            nothing is extrapolated.
        key: From `jax.random.key`, or a whole number; the same gives the same draws on
            every device.
        options: How to run. Draws are kept in memory by content (concepts, settings,
            ties, key and number); with `output` in that folder, for other processes.

    References:
        [1] Westfall and Young, "Resampling-Based Multiple Testing", 1993.

    >>> import invert_jax as ij
    >>> masks = np.arange(300)[:, None] % [2, 3, 5] == 0
    >>> concepts = Concepts.from_masks(masks, ["even", "three", "five"])
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> activations = np.stack([masks[:, 1] + 0.1 * noise, noise], axis=1)
    >>> quiet = Options(progress=False)
    >>> labels = ij.explain(activations, concepts, min_fraction=0.1, options=quiet)
    >>> null = null_distribution(concepts, labels, num_draws=99, key=0, options=quiet)
    >>> labels.with_null(null).status.tolist()
    ['labeled', 'chance']
    """
    options = checked_options(options)
    seed = seed_of(key)
    check_whole("num_draws", num_draws, 1)
    layers = list(like.values()) if isinstance(like, Mapping) else [like]
    table = _checked_table(concepts, layers)
    settings = layers[0].settings
    groups = [layer.tie_groups[layer.has_formula] for layer in layers]
    wanted = {each for some in groups for each in tie_patterns.patterns_of(some)}
    patterns = drawn_patterns.patterns_to_draw(
        wanted,
        num_samples=table.num_samples,
        from_below=settings.sign == "negative",
    )
    drawing = Drawing(table, settings, int(num_draws), seed, options)
    with progress_bar(
        "draw the null",
        len(patterns) * num_draws,
        things="draws",
        show=options.progress,
    ) as advance:
        found = [drawing.of(pattern, advance) for pattern in patterns]
    shape = (len(patterns), int(num_draws), settings.max_length)
    return Null(
        patterns,
        np.reshape([each["sums"] for each in found], shape).astype(np.int64),
        np.reshape([each["supports"] for each in found], shape).astype(np.int64),
        table.num_samples,
        settings,
        table.fingerprint(),
        seed,
    )


def _checked_table(concepts: Concepts, layers: Sequence[Explanations]) -> Concepts:
    """The concepts that all layers were explained by, of the samples that counted."""
    if not layers:
        raise ValueError("`like` must hold at least one layer; got none.")
    first = layers[0]
    table = explained_table(concepts, first, of="like")
    for layer in layers[1:]:
        explained_table(concepts, layer, of="like")
        if (layer.settings, layer.sources) != (first.settings, first.sources):
            raise ValueError(
                "`like` must hold layers explained by the same concepts and settings; "
                f"layer {layer.layer!r} differs from {first.layer!r}."
            )
    return table
