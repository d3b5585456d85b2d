"""Names every neuron of a Flax or JAX model with a short logical formula.

Two inputs, one engine, one result: *activations* say what each neuron does on each
sample, *concepts* say what is true of each sample, and `explain` finds for each neuron
the *formula* over the concepts that its activation detects best, by AUROC.
"""

from invert_jax import activations as activations
from invert_jax import concepts as concepts
from invert_jax.activations.array import Activations as Activations
from invert_jax.analyses.comparison import Comparison as Comparison
from invert_jax.analyses.comparison import compare as compare
from invert_jax.concepts.table import Concepts as Concepts
from invert_jax.engine.explaining import FewPositivesWarning as FewPositivesWarning
from invert_jax.engine.explaining import explain as explain
from invert_jax.engine.holdout_scores import scores_without as scores_without
from invert_jax.engine.null_distribution import null_distribution as null_distribution
from invert_jax.engine.scoring import auroc as auroc
from invert_jax.explanations.explanations import Explanations as Explanations
from invert_jax.explanations.null import Null as Null
from invert_jax.formula.formula import Formula as Formula
from invert_jax.reports.page import report as report
from invert_jax.settings import Options as Options
from invert_jax.version import VERSION

__version__ = VERSION
