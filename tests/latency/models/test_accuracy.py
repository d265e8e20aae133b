"""Figures of merit."""

import numpy as np
import pytest

from nas.latency.models.accuracy import (
    Accuracy,
    Figures,
    compare,
    fit_line,
    kendall,
    spearman,
    spearman_in_bands,
)


def test_figures_by_hand():
    figures = compare(np.array([1.0, 1.04, 1.08, 1.2]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert figures == Figures(pytest.approx(0.08), 0.5, 0.75, 1.0, 1.0, None)


def test_rank_correlations_average_ties():
    a, b = np.array([1.0, 1, 2]), np.array([1.0, 2, 3])
    assert spearman(a, b) == pytest.approx(np.sqrt(3) / 2)
    assert kendall(a, b) == pytest.approx(np.sqrt(2 / 3))
    assert spearman(a, -a) == pytest.approx(-1)
    assert kendall(a, -a) == pytest.approx(-1)


def test_where_there_is_nothing_to_rank():
    same = np.ones(4)
    assert spearman(same, same) == 1
    assert kendall(same, same) == 1


def test_within_bands_only_neighbours_in_latency_are_ranked():
    low, high = np.linspace(1, 1.04, 6), np.linspace(10, 10.4, 6)
    measured = np.concatenate([low, high])
    backwards = np.concatenate([low[::-1], high[::-1]])  # wrong within each band, right between them
    assert spearman(backwards, measured) > 0.4
    assert spearman_in_bands(backwards, measured) == pytest.approx(-1)
    assert spearman_in_bands(measured, measured) == pytest.approx(1)
    assert spearman_in_bands(measured[:5], measured[:5]) == pytest.approx(1)
    assert spearman_in_bands(measured[:4], measured[:4]) is None


def test_a_line_is_fitted_to_relative_errors():
    x = np.array([1.0, 2.0, 5.0])
    assert fit_line(x, 3 + 2 * x)(np.array([10.0])) == pytest.approx([23.0])


def test_an_accuracy_survives_json_and_speaks_of_what_it_knows():
    figures = compare(np.array([1.0, 1.04, 1.08, 1.2]), np.ones(4))
    full = Accuracy(4, figures, figures, figures, figures)
    bare = Accuracy(4, figures, figures, cross_validated=True)
    for accuracy in (full, bare):
        assert Accuracy.from_dict(accuracy.to_dict()) == accuracy
    assert full.about() == "error on 4 networks it has not seen: 8.0% (noise floor 8.0%, MACs alone 8.0%)"
    assert bare.about() == "error on 4 networks it has not seen, cross-validated: 8.0% (MACs alone 8.0%)"
