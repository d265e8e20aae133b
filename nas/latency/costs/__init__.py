"""From the raw samples of a kit to block costs, and the error of the table on unseen networks."""
