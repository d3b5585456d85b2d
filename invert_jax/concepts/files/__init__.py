"""Concepts from files that users have."""
