"""Kinds of values that columns hold: which types of DuckDB may be stored as which."""

from typing import Final

_KINDS: Final = {
    "text": ("VARCHAR", "ENUM"),
    "time": ("TIMESTAMP", "DATE"),
    "truth": ("BOOLEAN",),
    "whole": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    "real": ("FLOAT", "DOUBLE"),
    "nothing": ('"NULL"',),
}
"""Types of DuckDB that hold the same kind of value; a column of nulls alone fits any."""


def _kind_of(data_type: str) -> str:
    """The kind of value that a type of DuckDB holds; other types are kinds of their own."""
    found = (kind for kind, names in _KINDS.items() if data_type.startswith(names))
    return next(found, data_type)


def fits(found: str, wanted: str) -> bool:
    """Whether values of a type may be stored as another: of the same kind, or whole as real.

    pandas makes real numbers of whole ones where some are missing: a fraction is refused later.
    """
    pair = (_kind_of(found), _kind_of(wanted))
    same = pair[0] == pair[1] or pair[0] == "nothing"
    return same or pair in {("whole", "real"), ("real", "whole")}


def cast(name: str, found: str, wanted: str) -> str:
    """SQL that casts a column; what is not a number becomes null, a fraction no whole number."""
    if _kind_of(found) != "real":
        return f"{name}::{wanted}"
    number = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    if _kind_of(wanted) == "real":
        return f"({number})::{wanted}"
    refuse = f"error('{name} ' || {name} || ' is no whole number')"
    return f"(CASE WHEN {name} <> round({name}) THEN {refuse} ELSE {number} END)::{wanted}"
