"""What stands in an address: checked, and refused in a sentence."""

from datetime import date, datetime
from typing import Final

from lightning_kedro.exceptions import LightningKedroError, printable

KINDS: Final = ("cluster", "storm")
"""What the flashes of a map are colored by."""

_SWITCHES: Final = {"1": True, "0": False}
_MOST_QUOTED: Final = 60


class BadRequestError(LightningKedroError):
    """A parameter of an address has a value that cannot be used."""


class NotFoundError(LightningKedroError):
    """There is nothing at an address."""


def check_kind(by: str | None) -> str:
    """What a map's flashes are colored by.

    Raises:
        BadRequestError: If it is none of ``KINDS``.
    """
    if by is None or by in KINDS:
        return by or KINDS[0]
    message = f"by is {_quote(by)}: give cluster or storm."
    raise BadRequestError(message)


def check_switch(name: str, value: str | None, *, usual: bool) -> bool:
    """A switch of an address.

    Raises:
        BadRequestError: If it is neither 1 nor 0.
    """
    if value is None:
        return usual
    if value in _SWITCHES:
        return _SWITCHES[value]
    message = f"{name} is {_quote(value)}: give 1 or 0."
    raise BadRequestError(message)


def check_day(text: str | None) -> date | None:
    """A day such as 2024-07-14.

    Raises:
        BadRequestError: If it is none.
    """
    return _read_date("day", text, "%Y-%m-%d", "2024-07-14")


def check_month(text: str | None) -> date | None:
    """The first day of a month such as 2024-07.

    Raises:
        BadRequestError: If it is none.
    """
    return _read_date("month", text, "%Y-%m", "2024-07")


def _read_date(name: str, text: str | None, form: str, example: str) -> date | None:
    """A date of a form; years that a calendar cannot go beyond are none."""
    if text is None:
        return None
    try:
        found = datetime.strptime(text, form).date()  # noqa: DTZ007  (a day of UTC)
    except ValueError:
        found = date.min
    if not date(1900, 1, 1) <= found < date(2200, 1, 1) or len(text) != len(example):
        message = f"{name} is {_quote(text)}: give a {name} such as {example}."
        raise BadRequestError(message)
    return found


def _quote(text: str) -> str:
    """What somebody gave, as far as it is short."""
    return f'"{printable(text, _MOST_QUOTED)}"'
