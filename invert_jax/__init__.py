"""Names every neuron of a Flax or JAX model with a short logical formula.

Two inputs, one engine, one result: *activations* say what each neuron does on each
sample, *concepts* say what is true of each sample, and `explain` finds for each neuron
the *formula* over the concepts that its activation detects best, by AUROC.
"""
