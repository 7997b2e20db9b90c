"""The distance to many points as one polynomial: its Taylor expansion, moments, and the remainder.

Two groups of points, x about c and y about e, in any number of dimensions: with u = c - e and
h = (x - c) - (y - e) the distance |x - y| = |u + h| is expanded in h up to the order ``ORDER``.
Powers of h part into powers of x - c and of y - e, so that the sum over all y needs only the
moments of y about e. Formulas and proofs are in ``docs/certified_silhouettes.md``.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, pairwise
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray

ORDER: Final = 5
"""Order of the expansions. It is odd, so that the remainder begins with an even power."""


REMAINDER: Final = 1.0 / 16.0
"""Greatest |C_n(t)| of n = 6 and beyond; C_n, the Gegenbauer polynomials of parameter -1/2, are the
coefficients of |u + h| / |u| in powers of |h| / |u|."""

_MAJORANT: Final = (1.0, 1.0, 1.0, 1.0, 1.5, 2.5)
"""By order, how large the absolute values of an expansion's terms are together, at most."""

_LEAST_APART: Final = 0.1  # so that rounding does not matter to what is divided by
_LEAST_DISTANCE: Final = 1e-50  # of which powers are far from the smallest numbers there are
_ROUNDED_UP: Final = 1.0 + 1e-9

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Expansion:
    """Powers of up to ``ORDER`` in some dimensions, numbered by rising order.

    Attributes:
        exponents: Exponents of each power, shape (powers, d).
        orders: The powers of each order.
        steps: For each power, a dimension and the power with that exponent one less.
        sums: Number of the product of two powers, shape (powers, powers); -1 beyond ``ORDER``.
        wanted: Which products of derivatives (rows) and moments (columns) make up coefficients,
            in order of these.
        firsts: The first product of each coefficient, shape (powers,).
        polynomials: Each derivative of the length of u, by powers of u / |u|^2 times |u|, shape
            (powers, powers).
    """

    exponents: IntArray
    orders: list[slice]
    steps: list[tuple[int, int]]
    sums: IntArray
    wanted: IntArray
    firsts: IntArray
    polynomials: FloatArray

    @property
    def n_powers(self) -> int:
        """Number of powers."""
        return len(self.exponents)

    def raise_powers(self, offsets: FloatArray) -> FloatArray:
        """Powers of offsets, each over its factorials.

        Args:
            offsets: Shape (d, n).

        Returns:
            Shape (powers, n).
        """
        powers = np.empty((self.n_powers, offsets.shape[1]))
        powers[0] = 1.0
        for number in range(1, self.n_powers):
            axis, lower = self.steps[number]
            np.multiply(powers[lower], offsets[axis], out=powers[number])
            powers[number] /= self.exponents[number, axis]
        return powers

    def differentiate(self, offsets: FloatArray) -> FloatArray:
        """Derivatives of the length of offsets.

        Args:
            offsets: Shape (d, n); where one is 0, all derivatives are taken as 0.

        Returns:
            Shape (powers, n).
        """
        squares = (offsets**2).sum(axis=0)
        inverse = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0.0)
        scaled = offsets * inverse
        powers = np.empty((self.n_powers, len(squares)))
        np.sqrt(squares, out=powers[0])
        for number, (axis, lower) in enumerate(self.steps[1:], start=1):
            np.multiply(powers[lower], scaled[axis], out=powers[number])
        found = np.empty_like(powers)
        for order in self.orders:
            np.matmul(self.polynomials[order, order], powers[order], out=found[order])
        return found

    def shift_moments(self, moments: FloatArray, shifts: FloatArray) -> FloatArray:
        """Moments about another center.

        Args:
            moments: Sums of the powers of e - y, shape (powers, n).
            shifts: The new center less e, shape (d, n).

        Returns:
            Sums of the powers of the new center less y, shape (powers, n).
        """
        powers = self.raise_powers(shifts)
        shifted = np.zeros_like(moments)
        for number, products in enumerate(self.sums):
            for other, product in enumerate(products):
                if product >= 0:
                    shifted[product] += moments[number] * powers[other]
        return shifted

    def expand(self, moments: FloatArray, offsets: FloatArray, begins: IntArray) -> FloatArray:
        """Coefficients of sums of distances as polynomials in x - c.

        Args:
            moments: Sums of the powers of e - y, shape (n, powers).
            offsets: c - e, shape (d, n).
            begins: Where the terms of each sum begin, shape (number of sums,), rising from 0.

        Returns:
            Coefficients of the powers of x - c (over their factorials), shape (sums, powers).
        """
        derivatives = self.differentiate(offsets)
        ends = [*begins[1:].tolist(), len(moments)]
        # All products of a derivative and a moment, of which few are wanted: a matrix product
        # adds them over the terms at ten times the speed of what would make no other.
        products = np.stack(
            [
                derivatives[:, begin:end] @ moments[begin:end]
                for begin, end in zip(begins.tolist(), ends, strict=True)
            ]
        ).reshape(len(begins), -1)
        return np.add.reduceat(products[:, self.wanted], self.firsts, axis=1)


@cache
def make_expansion(n_dimensions: int) -> Expansion:
    """The powers in so many dimensions."""
    chosen = [
        np.bincount(axes, minlength=n_dimensions)
        for order in range(ORDER + 1)
        for axes in combinations_with_replacement(range(n_dimensions), order)
    ]
    exponents = np.array(chosen, dtype=np.int64).reshape(-1, n_dimensions)
    sums = np.array([_find(exponents, exponents + row) for row in exponents])
    rows, others = np.nonzero(sums >= 0)
    axes = np.argmax(exponents, axis=1)
    lower = _find(exponents, exponents - np.eye(n_dimensions, dtype=np.int64)[axes])
    edges = np.searchsorted(exponents.sum(axis=1), np.arange(ORDER + 2)).tolist()
    return Expansion(
        exponents=exponents,
        orders=[slice(*pair) for pair in pairwise(edges)],
        steps=list(zip(axes.tolist(), lower, strict=True)),
        sums=sums,
        wanted=sums[rows, others] * len(exponents) + others,
        firsts=np.flatnonzero(np.diff(rows, prepend=-1)),
        polynomials=_find_polynomials(exponents, sums),
    )


def _find(exponents: IntArray, rows: IntArray) -> list[int]:
    """Numbers of powers by their exponents; -1 for what is none of them."""
    numbers = {tuple(row): number for number, row in enumerate(exponents.tolist())}
    return [numbers.get(tuple(row), -1) for row in rows.tolist()]


def _find_polynomials(exponents: IntArray, sums: IntArray) -> FloatArray:
    """Polynomials of the derivatives of the length |u|, by the recurrence of its Taylor series.

    That of the power g, of order n, is P(g, u) / |u|^(2n - 1) with
    n P(g) = (3 - 2n) sum u_i P(g - e_i) + (3 - n) |u|^2 sum P(g - 2 e_i)
    (after Duan & Krasny 2001, J. Comput. Chem. 22, 184).
    """
    n_powers, n_dimensions = exponents.shape
    units = np.eye(n_dimensions, dtype=np.int64)
    axes = _find(exponents, units)
    found = np.zeros((n_powers, n_powers))
    found[0, 0] = 1.0

    def multiply(polynomial: FloatArray, axis: int) -> FloatArray:
        product = np.zeros(n_powers)
        for power in np.flatnonzero(polynomial):
            product[sums[power, axes[axis]]] += polynomial[power]
        return product

    for number, row in enumerate(exponents[1:], start=1):
        order = int(row.sum())
        for axis, lower in enumerate(_find(exponents, row - units)):
            if lower >= 0:
                found[number] += (3.0 - 2.0 * order) * multiply(found[lower], axis)
        for lower in _find(exponents, row - 2 * units):
            if lower >= 0:
                for axis in range(n_dimensions):
                    square = multiply(multiply(found[lower], axis), axis)
                    found[number] += (3.0 - order) * square
        found[number] /= order
    factorials = [np.prod([factorial(e) for e in row]) for row in exponents.tolist()]
    return found * np.array(factorials, dtype=np.float64)[:, np.newaxis]


def bound_remainder(
    distance: FloatArray, radius: FloatArray, reach: FloatArray, spread: FloatArray
) -> FloatArray:
    """Bound what an expansion leaves out, per point y, in the mean over them.

    Args:
        distance: |u|, shape (n,).
        radius: How far x is from c at most, shape (n,).
        reach: How far y is from e at most, shape (n,).
        spread: Sixth root of the mean sixth power of |y - e|, shape (n,).

    Returns:
        The bound, shape (n,), rounding of its arguments included; infinite where the groups are
        hardly apart, or too near for powers of their distance to be numbers.
    """
    apart = distance - radius - reach
    usable = (apart > _LEAST_APART * distance) & (distance > _LEAST_DISTANCE)
    length = np.where(usable, distance, 1.0)
    square = ((radius + spread) / length) ** 2
    first = (_ROUNDED_UP * REMAINDER) * length * square * square * square
    return np.where(usable, first * length / np.where(usable, apart, 1.0), np.inf)


def bound_terms(distance: FloatArray, radius: FloatArray) -> FloatArray:
    """Bound the sum of the absolute values of an expansion's terms, for its rounding errors.

    Args:
        distance: |u|, shape (n,).
        radius: How far x is from c and y from e, at most and together, by the way that the
            moments were summed, shape (n,).
    """
    ratio = np.divide(radius, distance, out=np.zeros_like(distance), where=distance > 0.0)
    total = np.zeros_like(distance)
    for factor in reversed(_MAJORANT):
        total = total * ratio + factor
    return total * distance
