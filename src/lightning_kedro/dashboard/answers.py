"""Maps as JSON, the latest of them kept: outlines of hundreds of storms take a second or two."""

import json
import math
import threading
from collections import OrderedDict
from typing import Any, Final

from lightning_kedro.dashboard.addresses import check_kind
from lightning_kedro.dashboard.database import Reader
from lightning_kedro.dashboard.maps import read_map
from lightning_kedro.dashboard.stored import list_results, pick_result

MOST_KEPT: Final = 8
"""So many maps are kept, of at most some megabytes each."""


class MapAnswers:
    """What maps are drawn from, as JSON.

    A map that was made before is given again as long as nobody has written to the database.

    Args:
        reader: The database.
    """

    def __init__(self, reader: Reader) -> None:
        """Nothing is made yet."""
        self._reader = reader
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, name: str, by: str | None, beside: str | None) -> bytes:
        """What the map of a result is drawn from.

        Args:
            name: The result's name.
            by: What it shows at first, ``cluster`` or ``storm``.
            beside: The name of a result that it is compared with.

        Raises:
            BadRequestError: If there is no such way of showing it.
            NotFoundError: If there is no such result.
        """
        kind = check_kind(by)
        with self._reader.open() as tables:
            results = list_results(tables)
            stored = pick_result(results, name)
            other = None if beside is None else pick_result(results, beside)
            key = (tables.state, stored, other, kind)
            with self._lock:
                kept = self._kept.get(key)
            if kept is not None:
                return kept
            parts = read_map(tables, stored, kind, other)
        answer = write_json(parts.gather())
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return answer


def write_json(data: dict[str, Any]) -> bytes:
    """JSON as browsers read it: a number that is none is null."""
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_drop_nan(data), allow_nan=False, separators=(",", ":")).encode()


def _drop_nan(value: Any) -> Any:  # noqa: ANN401  (whatever JSON can hold)
    """The same with null for numbers that are none."""
    if isinstance(value, dict):
        return {name: _drop_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_drop_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
