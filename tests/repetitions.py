"""How often a law is tried with random numbers."""

import os
from typing import Final

IS_EXHAUSTIVE: Final = os.environ.get("LIGHTNING_KEDRO_EXHAUSTIVE") == "1"
"""Whether every law is tried as often as is worth while now and then, rather than as often as finds
a fault that a change has brought."""


def repeat(few: int, many: int) -> int:
    """How many times to try a law: few times, or many if ``LIGHTNING_KEDRO_EXHAUSTIVE=1`` is set.

    Each of the few is among the many.
    """
    return many if IS_EXHAUSTIVE else few
