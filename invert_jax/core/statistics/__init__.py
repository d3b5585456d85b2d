"""Significance: pure functions of arrays."""
