"""The robust Gaussian process."""

import numpy as np
import pytest

from nas.gaussian import Hyper, Process, fit_process


@pytest.fixture
def data():
    """Shares of four features that deviate linearly, and a wave in one smooth input."""
    rng = np.random.default_rng(0)
    linear = rng.uniform(0.5, 1.5, (80, 4))
    smooth = rng.uniform(-2, 2, (80, 1))
    targets = linear @ np.array([0.2, -0.1, 0.05, 0.0]) + 0.02 * np.sin(2 * smooth[:, 0])
    return linear, smooth, targets


def test_it_finds_a_linear_and_a_smooth_part(data):
    linear, smooth, targets = data
    fitted = fit_process(linear[:60], smooth[:60], targets[:60])
    predicted = fitted.predict(linear[60:], smooth[60:])
    assert np.abs(predicted - targets[60:]).max() < 0.01
    np.testing.assert_allclose(
        predicted, fitted.mean + linear[60:] @ fitted.coefficients + fitted.smooth(smooth[60:])
    )


def test_disturbed_measurements_hardly_count(data):
    linear, smooth, targets = data
    disturbed = targets[:60].copy()
    disturbed[::6] += 0.3
    fitted = fit_process(linear[:60], smooth[:60], disturbed)
    errors = np.abs(fitted.predict(linear[60:], smooth[60:]) - targets[60:])
    ordinary = linear[60:] @ np.linalg.lstsq(linear[:60], disturbed, rcond=None)[0]
    assert np.median(errors) < 0.5 * np.median(np.abs(ordinary - targets[60:]))
    assert fitted.noise_factors[::6].min() > 5 * np.median(fitted.noise_factors)


def test_the_deviation_grows_away_from_what_was_measured_and_covers_the_errors(data):
    linear, smooth, targets = data
    noisy = targets + 0.02 * np.random.default_rng(1).standard_normal(len(targets))
    fitted = fit_process(linear[:60], smooth[:60], noisy[:60])
    near, far = fitted.deviation(linear[60:], smooth[60:]), fitted.deviation(5 * linear[60:], smooth[60:])
    assert np.all(far > 2 * near)
    errors = np.abs(fitted.predict(linear[60:], smooth[60:]) - targets[60:])
    assert np.mean(errors < 2 * near + 0.005) > 0.8


def test_the_deviation_is_that_of_the_textbook(data):
    linear, smooth, targets = data
    hyper = Hyper(0.3, 0.05, 1.0, 0.02)
    process = Process(linear[:10], smooth[:10], targets[:10], 0.0, hyper, np.ones(10))

    def kernel(a, b):
        (u, x), (v, y) = a, b
        return 0.09 * u @ v.T + 0.0025 * np.exp(-0.5 * (x - y.T) ** 2)

    known, new = (linear[:10], smooth[:10]), (linear[10:12], smooth[10:12])
    inverse = np.linalg.inv(kernel(known, known) + 0.0004 * np.eye(10))
    expected = kernel(new, known) @ inverse @ targets[:10]
    variance = np.diag(kernel(new, new) - kernel(new, known) @ inverse @ kernel(known, new))
    np.testing.assert_allclose(process.predict(*new), expected, rtol=1e-6)
    np.testing.assert_allclose(process.deviation(*new), np.sqrt(variance), rtol=1e-4)


def test_without_smooth_inputs_it_is_linear(data):
    linear, _, _ = data
    targets = linear @ np.array([0.2, -0.1, 0.05, 0.0])
    none = np.zeros((80, 0))
    fitted = fit_process(linear, none, targets)
    once, twice = fitted.predict(linear, none), fitted.predict(2 * linear, none)
    np.testing.assert_allclose(twice - fitted.mean, 2 * (once - fitted.mean))
    np.testing.assert_allclose(fitted.predict(linear, none), targets, atol=0.01)
