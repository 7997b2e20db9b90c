"""Times as people give them as parameters."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_NOW: Final = re.compile(r"now(?:\s*-\s*(?P<count>\d{1,6})\s*(?P<unit>[mhd]))?", re.IGNORECASE)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
TIME_FORMATS: Final = "ISO 8601 in UTC such as 2023-01-26T15:00, or now, now-30m, now-3h, now-2d"


def parse_utc(value: object, *, now: datetime) -> datetime:
    """Read a time given as a parameter.

    Args:
        value: ISO 8601 text (UTC unless it names an offset), a date or datetime as YAML reads it,
            or ``now``, ``now-30m``, ``now-3h``, ``now-2d``.
        now: What ``now`` means, UTC.

    Returns:
        The time, UTC, with its time zone set.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        relative = _NOW.fullmatch(value.strip())
        try:
            if relative is not None:
                count, unit = int(relative["count"] or 0), _UNITS[(relative["unit"] or "m").lower()]
                return now - timedelta(**{unit: count})
            value = _to_utc(datetime.fromisoformat(value.strip()))
        except (ValueError, OverflowError):
            pass
    if not isinstance(value, datetime):
        message = f"is not a time: expected {TIME_FORMATS}"
        raise ValueError(message)  # noqa: TRY004  (pydantic reports ValueError only)
    return _to_utc(value)


def _to_utc(time: datetime) -> datetime:
    """A time in UTC; one without time zone is UTC already."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
