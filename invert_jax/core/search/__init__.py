"""The search: pure functions of arrays."""
