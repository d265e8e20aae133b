"""The goals of a search: the problem, its objectives and the Pareto front."""
