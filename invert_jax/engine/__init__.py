"""The search of whole layers: blocks of neurons, run on devices."""
