"""Which networks are worth measuring."""

import numpy as np

from nas.latency.models.features import COLUMNS, many_features
from nas.latency.plan.networks import informative, most_informative


def test_the_chosen_leave_less_uncertainty_than_random_ones(tiny_space):
    rows = np.unique(tiny_space.sample_many(200, np.random.default_rng(0)), axis=0)
    features = many_features(tiny_space.lower_many(rows), np.eye(len(COLUMNS)))
    scaled = features / np.maximum(features.mean(axis=0), 1e-9)

    def left(chosen):
        known = scaled[chosen]
        inverse = np.linalg.inv(known @ known.T + 0.01 * np.eye(len(known)))
        cross = scaled @ known.T
        return float(((scaled**2).sum(axis=1) - ((cross @ inverse) * cross).sum(axis=1)).mean())

    rng = np.random.default_rng(1)
    random = [left(rng.choice(len(rows), 8, replace=False)) for _ in range(20)]
    chosen = most_informative(features, 8)
    assert len(set(chosen)) == 8
    assert left(chosen) < min(random)


def test_architectures_are_distinct_and_as_many_as_there_are(small_space, rng):
    found = informative(small_space, 10, rng, classes=10)
    assert len(set(found)) == 10
    assert len(informative(small_space, 500, rng, classes=10)) == small_space.size


def test_resolutions_are_kept_to(tiny_space, rng):
    found = informative(tiny_space, 6, rng, resolutions=[20, 24], classes=10)
    assert len(found) == 6
    assert {arch.resolution for arch in found} <= {20, 24}
