"""What lies beyond the draws: fitted, extrapolated, and how sure."""

import numpy as np
import pytest
from scipy import stats

from invert_jax.core.statistics import tails


def fitted(drawn):
    tail = tails.fit_tail(drawn)
    assert tail is not tails.NO_TAIL
    return tail


@pytest.mark.parametrize(
    ("law", "lightest"),
    [(stats.expon(), 0.8), (stats.gumbel_r(0.6, 0.01), 0.8), (stats.norm(), 0.0)],
    ids=["exponential", "gumbel", "normal"],
)
def test_extrapolated_p_values_cover_the_truth_or_are_larger(law, lightest):
    truth, covered, below = -5.0, 0, 0
    score = np.array([law.isf(10**truth)])
    for seed in range(100):
        drawn = law.rvs(2000, random_state=np.random.default_rng(seed))
        _, low, high = tails.log10_tail_p(fitted(drawn), score)[:, 0]
        covered += low <= truth <= high
        below += high < truth
    assert below <= 10
    assert covered / 100 >= lightest


def test_extrapolation_goes_on_where_the_draws_end(rng):
    drawn = rng.gumbel(0.6, 0.01, size=2000)
    tail = fitted(drawn)
    scores = np.linspace(tail.threshold, 1, 50)
    estimate, low, high = tails.log10_tail_p(tail, scores)
    assert estimate[0] == pytest.approx(-1)
    assert (np.diff(estimate) < 0).all() and np.isfinite(estimate).all()
    assert (low <= estimate).all() and (estimate <= high).all()
    assert (np.diff(high - low)[5:] > 0).all()


def test_units_of_the_scores_do_not_matter(rng):
    drawn = rng.exponential(size=1000)
    one, other = fitted(drawn), fitted(0.5 + 0.001 * drawn)
    np.testing.assert_allclose(
        tails.log10_tail_p(one, np.array([12.0])),
        tails.log10_tail_p(other, np.array([0.512])),
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    "drawn",
    [
        np.linspace(0, 1, 400),
        np.full(2000, np.nan),
        np.repeat([0.5, 0.6, 0.7], 1000),
        np.r_[np.zeros(1800), np.full(100, 1.0), np.full(100, 2.0)],
    ],
    ids=["too few", "nothing found", "three values", "two steps"],
)
def test_what_has_no_smooth_tail_is_not_extrapolated(drawn):
    tail = tails.fit_tail(drawn)
    assert tail is tails.NO_TAIL
    assert np.isnan(tails.log10_tail_p(tail, np.array([0.9]))).all()


@pytest.mark.parametrize("shape", [0.3, 0.8])
def test_fits_spread_as_fits_of_fresh_samples_do(rng, shape):
    count, fresh = 400, []
    for _ in range(300):
        excess = stats.genpareto.rvs(shape, size=count, random_state=rng)
        found, _, scale = stats.genpareto.fit(excess, floc=0)
        fresh.append((found, np.log(scale)))
    drawn = np.stack(tails._fits_around(shape, 0.0, count), axis=1)[1:]
    # 300 samples give a deviation within 4 %; a variance of 2 is 14 to 34 % off.
    np.testing.assert_allclose(drawn.std(0), np.std(fresh, axis=0), rtol=0.12)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(
        np.corrcoef(np.transpose(fresh))[0, 1], abs=0.12
    )
