"""What a search looks for: the problem, its objectives and the Pareto front."""
