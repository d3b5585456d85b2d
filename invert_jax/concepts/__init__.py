"""Input 1: what is true of each sample."""
