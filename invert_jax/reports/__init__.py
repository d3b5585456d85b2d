"""Explanations as people read them: one offline page, and plots for notebooks."""
