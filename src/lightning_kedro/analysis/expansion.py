"""The distance to many points as one polynomial: its Taylor expansion, moments, and the remainder.

Two groups of points, x about c and y about e, in any number of dimensions: with u = c - e and
h = (x - c) - (y - e) the distance |x - y| = |u + h| is expanded in h up to the order ``ORDER``.
Powers of h part into powers of x - c and of y - e, so that the sum over all y needs only the
moments of y about e. Formulas and proofs are in ``docs/certified_silhouettes.md``.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray

ORDER: Final = 5
"""Order of the expansions. It is odd, so that the remainder begins with an even power."""

_POWER: Final = ORDER + 1

REMAINDER: Final = 1.0 / 16.0
"""Greatest |C_n(t)| of n = 6 and beyond; C_n, the Gegenbauer polynomials of parameter -1/2, are the
coefficients of |u + h| / |u| in powers of |h| / |u|."""

_MAJORANT: Final = (1.0, 1.0, 1.0, 1.0, 1.5, 2.5)
"""By order, how large the absolute values of an expansion's terms are together, at most."""

_NO_TWICE: Final = 3  # the order at which the second sum has the factor 0
_LEAST_APART: Final = 0.1  # so that rounding does not matter to what is divided by
_LEAST_DISTANCE: Final = 1e-50  # of which powers are far from the smallest numbers there are
_ROUNDED_UP: Final = 1.0 + 1e-9

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Expansion:
    """Powers of up to ``ORDER`` in some dimensions, numbered by rising order.

    Attributes:
        exponents: Exponents of each power, shape (powers, d).
        factorials: Product of the factorials of each power's exponents, shape (powers,).
        sums: Number of the product of two powers, shape (powers, powers); -1 beyond ``ORDER``.
        lower: For each power and dimension, the power with that exponent one less, shape
            (powers, d); -1 where there is none.
        twice_lower: For each power, those with one exponent two less.
        wanted: Which products of derivatives (rows) and moments (columns) make up coefficients,
            in order of these.
        firsts: The first product of each coefficient, shape (powers,).
    """

    exponents: IntArray
    factorials: FloatArray
    sums: IntArray
    lower: IntArray
    twice_lower: list[list[int]]
    wanted: IntArray
    firsts: IntArray

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
            axis = int(np.argmax(self.exponents[number]))
            np.multiply(powers[self.lower[number, axis]], offsets[axis], out=powers[number])
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
        found = np.empty((self.n_powers, len(squares)))
        np.sqrt(squares, out=found[0])
        term = np.empty_like(squares)
        for number in range(1, self.n_powers):
            # Taylor coefficients by the recurrence of Duan & Krasny 2001 for powers of the length.
            order = int(self.exponents[number].sum())
            total = found[number]
            total.fill(0.0)
            for axis, lower in enumerate(self.lower[number].tolist()):
                if lower >= 0:
                    total += np.multiply(scaled[axis], found[lower], out=term)
            total *= (3.0 - 2.0 * order) / order
            twice = [found[other] for other in self.twice_lower[number]]
            if twice and order != _NO_TWICE:
                term[:] = twice[0]
                for other in twice[1:]:
                    term += other
                term *= inverse
                term *= (3.0 - order) / order
                total += term
        found *= self.factorials[:, np.newaxis]
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
    numbers = {tuple(row): number for number, row in enumerate(exponents.tolist())}
    units = np.eye(n_dimensions, dtype=np.int64)

    def find(rows: IntArray) -> list[int]:
        return [numbers.get(tuple(row), -1) for row in rows.tolist()]

    sums = np.array([find(exponents + row) for row in exponents])
    rows, others = np.nonzero(sums >= 0)
    return Expansion(
        exponents=exponents,
        factorials=np.array([float(np.prod([factorial(e) for e in row])) for row in exponents]),
        sums=sums,
        lower=np.array([find(row - units) for row in exponents]),
        twice_lower=[[n for n in find(row - 2 * units) if n >= 0] for row in exponents],
        wanted=sums[rows, others] * len(exponents) + others,
        firsts=np.flatnonzero(np.diff(rows, prepend=-1)),
    )


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
    first = (_ROUNDED_UP * REMAINDER) * length * ((radius + spread) / length) ** _POWER
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
