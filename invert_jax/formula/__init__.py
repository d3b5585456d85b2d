"""Formulas over concepts: what they mean, and how they are written."""
