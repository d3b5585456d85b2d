"""The main job on real data: label every neuron of a network that reads digits."""
