"""Explanations as people read them: one offline page, and plots for notebooks."""

from invert_jax.analyses.comparison import plot_comparison as plot_comparison
from invert_jax.reports.page import report as report
from invert_jax.reports.plots import plot_layer as plot_layer
from invert_jax.reports.plots import plot_null as plot_null
from invert_jax.reports.plots import plot_tradeoff as plot_tradeoff
from invert_jax.reports.plots import plot_unit as plot_unit
