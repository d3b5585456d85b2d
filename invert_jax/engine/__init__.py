"""The search of whole layers: blocks of neurons, run on devices."""

from invert_jax.engine.explaining import FewPositivesWarning as FewPositivesWarning
from invert_jax.engine.explaining import explain as explain
from invert_jax.engine.holdout_scores import scores_without as scores_without
from invert_jax.engine.null_distribution import null_distribution as null_distribution
from invert_jax.engine.scoring import auroc as auroc
