"""The robust Gaussian process."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from nas.gaussian import PRIOR, Hyper, Process, fit_process


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


def log_posterior(process, hyper, prior):
    """By SciPy: the density of the targets, times log-normal priors of the hyperparameters."""
    linear, smooth = process.linear_inputs, process.smooth_inputs
    distances = ((smooth[:, None] - smooth[None]) ** 2).sum(axis=2)
    covariance = hyper.linear**2 * linear @ linear.T + hyper.noise**2 * np.diag(process.noise_factors)
    covariance += hyper.smooth**2 * np.exp(-distances / (2 * hyper.length**2))
    likelihood = stats.multivariate_normal(np.full(len(linear), process.mean), covariance).logpdf(
        process.targets
    )
    logs, medians, spreads = (np.log(astuple(hyper)), np.log(astuple(prior.median)), astuple(prior.spread))
    return likelihood + stats.norm(medians, spreads).logpdf(logs).sum()


@pytest.mark.parametrize("robust", [True, False])
def test_no_step_from_the_fitted_hyperparameters_is_more_probable(data, robust):
    linear, smooth, targets = data
    smooth = np.column_stack([smooth, smooth**2 - 1])
    noisy = targets + 0.01 * np.random.default_rng(2).standard_normal(len(targets))
    fitted = fit_process(linear[:40], smooth[:40], noisy[:40], robust=robust)
    prior = replace(PRIOR, median=replace(PRIOR.median, length=PRIOR.median.length * 2**0.5))
    best = log_posterior(fitted, fitted.hyper, prior)
    for name in ("linear", "smooth", "length", "noise"):
        for factor in (np.exp(0.12), np.exp(-0.12)):
            step = replace(fitted.hyper, **{name: getattr(fitted.hyper, name) * factor})
            assert log_posterior(fitted, step, prior) <= best + 2e-3
    assert fitted.hyper != prior.median


def test_without_robustness_noise_is_equal_everywhere_and_the_mean_zero(data):
    linear, smooth, targets = data
    fitted = fit_process(linear, smooth, targets, robust=False)
    assert fitted.mean == 0
    assert np.all(fitted.noise_factors == 1)


def test_measurements_are_weighed_by_the_expected_square_of_their_noise(data):
    """One step of expectation-maximisation for Student's t with 3 degrees of freedom."""
    linear, smooth, targets = (array[:12] for array in data)
    factors = np.random.default_rng(3).uniform(0.5, 4, 12)
    process = Process(linear, smooth, targets, 0.1, Hyper(0.3, 0.05, 1.0, 0.02), factors)
    next_one = process.reweighted()

    noise = 0.0004 * np.diag(factors)
    kernel = 0.09 * linear @ linear.T + 0.0025 * np.exp(-0.5 * (smooth - smooth.T) ** 2)
    gain = kernel @ np.linalg.inv(kernel + noise)
    residuals = targets - 0.1 - gain @ (targets - 0.1)
    variance = np.diag(kernel - gain @ kernel)
    expected = (3 + (residuals**2 + variance) / 0.0004) / (3 + 1)
    np.testing.assert_allclose(next_one.noise_factors, expected, rtol=1e-4)

    inverse = np.linalg.inv(kernel + noise)
    assert next_one.mean == pytest.approx((inverse @ targets).sum() / inverse.sum())
    assert (next_one.hyper, next_one.targets is targets) == (process.hyper, True)


def test_the_smooth_part_of_many_points_is_that_of_each(data):
    linear, smooth, targets = data
    fitted = fit_process(linear[:20], smooth[:20], targets[:20])
    points = np.linspace(-2, 2, 1300)[:, None]
    one_by_one = [fitted.smooth(point[None])[0] for point in points[::50]]
    np.testing.assert_allclose(fitted.smooth(points)[::50], one_by_one)
    assert fitted.smooth(points).shape == (1300,)


def test_a_fit_stays_as_it_was_when_shipped_tables_were_made(data):
    linear, smooth, targets = data
    waves = targets[:30] + 0.1 * np.sin(3 * smooth[:30, 0])
    disturbed = waves + 0.01 * np.random.default_rng(4).standard_normal(30)
    disturbed[::7] += 0.2
    fitted = fit_process(linear[:30], smooth[:30], disturbed)
    assert astuple(fitted.hyper) == pytest.approx((0.1819592, 0.0642374, 0.6065307, 0.0431953), rel=1e-5)
    assert fitted.mean == pytest.approx(0.0090166, rel=1e-5)
    assert fitted.noise_factors[:4] == pytest.approx([4.953595, 0.906804, 0.849011, 0.850967], rel=1e-5)


def test_measurements_without_noise_are_those_of_the_textbook(data):
    """The conditional distribution of the signal, which includes a quarter of the white part here."""
    linear, smooth, targets = (part[:10] for part in data)
    process = Process(linear, smooth, targets, 0.0, Hyper(0.3, 0.05, 1.0, 0.02), np.ones(10))
    noise = np.full(10, 0.0003)
    squares = (smooth - smooth.T) ** 2
    signal = 0.09 * linear @ linear.T + 0.0025 * np.exp(-0.5 * squares) + (0.0004 - 0.0003) * np.eye(10)
    gain = signal @ np.linalg.inv(signal + 0.0003 * np.eye(10))
    values, deviations = process.denoised(noise)
    np.testing.assert_allclose(values, gain @ targets, rtol=1e-4)
    np.testing.assert_allclose(deviations, np.sqrt(np.diag(signal - gain @ signal)), rtol=1e-4)
