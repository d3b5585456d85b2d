"""The result: for each neuron the formulas that it detects best."""
