"""What a search maximizes."""
