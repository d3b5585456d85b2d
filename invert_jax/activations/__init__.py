"""Input 2: what each neuron does on each sample."""
