"""Expansions of the distance: right up to their order, and never further off than they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import eval_legendre

from lightning_kedro.analysis.expansion import (
    _MAJORANT,
    ORDER,
    REMAINDER,
    bound_remainder,
    bound_terms,
    make_expansion,
)


def expand(targets: np.ndarray, sources: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Mean distances from targets about the origin to sources about another point."""
    expansion = make_expansion(targets.shape[1])
    moments = expansion.raise_powers((middle - sources).T).sum(axis=1)
    begins = np.array([0])
    found = expansion.expand(moments[np.newaxis], -middle[:, np.newaxis], begins)
    return np.asarray(found[0] @ expansion.raise_powers(targets.T)) / len(sources)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0.01, 0.44))
def test_error_is_within_the_remainder(seed: int, n_dimensions: int, ratio: float) -> None:
    random = np.random.default_rng(seed)
    middle = random.normal(size=n_dimensions)
    middle *= 10.0 ** random.uniform(-3, 3) / np.linalg.norm(middle)
    distance = np.linalg.norm(middle)
    groups = random.uniform(-1.0, 1.0, size=(2, 40, n_dimensions))
    groups *= distance / np.linalg.norm(groups, axis=2).max(axis=1)[:, None, None]
    targets, sources = groups[0] * ratio, groups[1] * ratio * random.uniform(0.1, 1.0)
    radius, lengths = np.linalg.norm(targets, axis=1).max(), np.linalg.norm(sources, axis=1)
    sizes = [np.array([size]) for size in (distance, radius, lengths.max())]
    bound = bound_remainder(*sizes, np.array([(lengths**6).mean() ** (1 / 6)]))
    found = expand(targets, sources + middle, middle)
    error = np.abs(found - cdist(targets, sources + middle).mean(axis=1)).max()
    assert error <= bound[0] + 1e-14 * distance


def test_points_in_one_line_with_the_center_are_met_exactly() -> None:
    # Beyond the first order nothing is left of the distance along a line.
    found = expand(np.array([[0.3, 0.0]]), np.array([[5.0, 0.0]]), np.array([4.0, 0.0]))
    assert found == pytest.approx([4.7], abs=1e-15)


def test_derivatives_by_hand() -> None:
    # |u| at (3, 4): gradient u / 5; second derivatives (25 - u_i u_j) / 125.
    expansion = make_expansion(2)
    found = expansion.differentiate(np.array([[3.0], [4.0]]))[:, 0]
    assert expansion.exponents[:6].tolist() == [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    assert found[:6] == pytest.approx([5.0, 0.6, 0.8, 16 / 125, -12 / 125, 9 / 125])


def test_derivatives_of_the_origin_are_taken_as_none() -> None:
    assert not make_expansion(3).differentiate(np.zeros((3, 1))).any()


@pytest.mark.parametrize("n_dimensions", [1, 2, 3, 4])
def test_shifted_moments_are_those_about_the_new_center(n_dimensions: int) -> None:
    random = np.random.default_rng(0)
    points, old, new = random.normal(size=(3, 20, n_dimensions))
    expansion = make_expansion(n_dimensions)
    moments = expansion.raise_powers((old - points).T)
    shifted = expansion.shift_moments(moments, (new - old).T)
    assert shifted == pytest.approx(expansion.raise_powers((new - points).T), abs=1e-9)


def test_remainder_is_the_greatest_coefficient_from_its_order_on() -> None:
    cosine = np.linspace(-1.0, 1.0, 20_001)
    found = [np.ones_like(cosine), -cosine]
    for n in range(2, 60):  # Gegenbauer's recurrence with the parameter -1/2
        found.append(((2 * n - 3) * cosine * found[-1] - (n - 3) * found[-2]) / n)
    # They are the coefficients of sqrt(1 - 2 t q + q^2), and differences of Legendre polynomials.
    series = sum(each * 0.5**n for n, each in enumerate(found))
    assert series == pytest.approx(np.sqrt(1.25 - cosine), abs=1e-12)
    for n in range(2, 12):
        legendre = eval_legendre(n - 2, cosine) - eval_legendre(n, cosine)
        assert legendre / (2 * n - 1) == pytest.approx(found[n], abs=1e-12)
    greatest = [np.abs(each).max() for each in found[ORDER + 1 :]]
    assert greatest[0] == pytest.approx(REMAINDER)
    assert max(greatest) <= REMAINDER * (1.0 + 1e-12)


@pytest.mark.parametrize("n_dimensions", [1, 2, 3, 4])
def test_terms_are_within_their_majorant(n_dimensions: int) -> None:
    random = np.random.default_rng(n_dimensions)
    units, offsets = random.normal(size=(2, n_dimensions, 4000))
    units, offsets = (v / np.linalg.norm(v, axis=0) for v in (units, offsets))
    expansion = make_expansion(n_dimensions)
    # Of the polynomials too, before terms of opposite signs cancel.
    powers = (
        np.abs(expansion.polynomials)
        @ np.abs(np.prod(units.T[..., None] ** expansion.exponents.T, axis=1)).T
    )
    terms = powers * np.abs(expansion.raise_powers(offsets))
    for order, allowed in zip(expansion.orders, _MAJORANT, strict=True):
        assert terms[order].sum(axis=0).max() <= allowed * (1.0 + 1e-12)
    one = np.array([1.0])
    assert bound_terms(2.0 * one, one)[0] == pytest.approx(
        2.0 * sum(factor * 0.5**order for order, factor in enumerate(_MAJORANT))
    )


@pytest.mark.parametrize(
    ("distance", "radius"), [(1.0, 0.46), (1.0, 2.0), (0.0, 0.0), (1e-60, 1e-62)]
)
def test_groups_that_are_hardly_apart_have_no_bound(distance: float, radius: float) -> None:
    assert bound_remainder(np.array([distance]), *[np.array([radius])] * 3)[0] == np.inf
