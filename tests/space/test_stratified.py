"""Which networks are measured."""

import numpy as np

from nas.space.stratified import stratified


def test_networks_are_spread_evenly_over_log_macs(tiny_space, rng):
    archs = stratified(tiny_space, 24, rng)
    macs = np.log([tiny_space.network(arch, classes=10).macs for arch in archs])
    counts, _ = np.histogram(macs, bins=4)
    assert len(set(archs)) == 24
    assert counts.min() >= 4


def test_resolutions_are_kept_to(tiny_space, rng):
    archs = stratified(tiny_space, 8, rng, resolutions=[20, 24])
    assert {arch.resolution for arch in archs} <= {20, 24}


def test_a_small_space_gives_what_it_has(small_space, rng):
    archs = stratified(small_space, 500, rng)
    assert len(archs) == len(set(archs)) == small_space.size
    assert stratified(small_space, 0, rng) == []
