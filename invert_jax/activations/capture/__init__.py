"""What the layers of a model put out, whatever kind of model it is."""
