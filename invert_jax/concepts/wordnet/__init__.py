"""What WordNet says that names are, and the classes of ImageNet."""
