"""Formulas over concepts: what they mean, and how they are written."""

from invert_jax.formula.formula import Formula as Formula
