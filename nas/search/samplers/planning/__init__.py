"""Our own samplers: NSGA-II, NSGA-III and predictor-guided search on one planning interface."""
