"""From noise to a clip: guidance, predictions of the network in windows, solvers, and the loops that take the steps."""
