"""The dashboard's pages: what each reads while the database is open, and its template."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from lightning_kedro.dashboard.addresses import (
    BadRequestError,
    check_day,
    check_kind,
    check_month,
    check_switch,
)
from lightning_kedro.dashboard.charts import choose_top
from lightning_kedro.dashboard.coverage import LEVEL_NAMES
from lightning_kedro.dashboard.database import Reader
from lightning_kedro.dashboard.days import MOST_RESULTS, arrange_calendar, read_rows
from lightning_kedro.dashboard.details import find_differences, read_details
from lightning_kedro.dashboard.stored import StoredResult, list_results, pick_result
from lightning_kedro.dashboard.views import (
    Place,
    ResultView,
    compare_numbers,
    describe_column,
    show_value,
)
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.pipelines.reporting.report import read_template

if TYPE_CHECKING:
    from jinja2 import Environment

_TITLES: Final = {
    400: "This address cannot be used",
    404: "Not here",
    503: "The database is in use",
}


def show_calendar(
    reader: Reader,
    place: Place,
    satellites: Sequence[str] | None,
    month: str | None,
    day: str | None,
) -> str:
    """The calendar, and a day of it."""
    chosen = check_satellites(satellites or ())
    first, one_day = check_month(month), check_day(day)
    with reader.open() as tables:
        rows = read_rows(tables, one_day)
    found = arrange_calendar(rows, chosen, first, one_day)
    asked = [*found.chosen] if chosen else []

    def link(**changes: Any) -> str:  # noqa: ANN401
        given = {"satellite": asked, "month": month, "day": day} | changes
        return make_link("/", **given)

    def toggle(platform: str) -> str:
        rest = [one for one in found.known if (one in found.chosen) != (one == platform)]
        return link(satellite=[] if rest == found.known else rest)

    return render(
        "calendar.html.j2",
        place,
        tables.written,
        found=found,
        link=link,
        toggle=toggle,
        levels=LEVEL_NAMES,
    )


def check_satellites(names: Sequence[str]) -> list[str]:
    """Satellites of an address.

    Raises:
        BadRequestError: If one is none.
    """
    if unknown := [name for name in names if name not in PLATFORMS]:
        message = f"There is no satellite {unknown[0][:20]!r}: give {', '.join(PLATFORMS)}."
        raise BadRequestError(message)
    return [*dict.fromkeys(names)]


def show_result(reader: Reader, place: Place, name: str, by: str | None) -> str:
    """A result."""
    kind = check_kind(by)
    with reader.open() as tables:
        results = list_results(tables)
        stored = pick_result(results, name)
        details = read_details(tables, stored)
    view = ResultView(details)
    kind = kind if kind in view.kinds else view.kinds[0]
    day = stored.key.window_start.date()
    others = [one for one in results if one is not stored]
    others.sort(key=lambda one: one.key.window_start.date() != day)  # those of the day first
    return render(
        "result.html.j2",
        place,
        tables.written,
        view=view,
        others=others[:MOST_RESULTS],
        report=view.find_report(place),
        day=day,
        map_address=link_map(stored, kind),
    )


def compare_results(
    reader: Reader,
    place: Place,
    left: str | None,
    right: str | None,
    by: str | None,
    same: str | None,
) -> str:
    """Two results side by side."""
    kind, is_same = check_kind(by), check_switch("same", same, usual=True)
    if left is None or right is None:
        message = "Choose two results to compare: this address names fewer."
        raise BadRequestError(message)
    with reader.open() as tables:
        results = list_results(tables)
        pair = [pick_result(results, name) for name in (left, right)]
        details = [read_details(tables, stored) for stored in pair]
    top = choose_top(*(one.rate for one in details)) if is_same else None
    views = [ResultView(one, top) for one in details]
    maps = [
        link_map(one, kind, other if is_same else None)
        for one, other in zip(pair, pair[::-1], strict=True)
    ]
    differences = [
        (name, *(show_value(name, value) for value in values), describe_column(name))
        for name, *values in find_differences(*details)
    ]
    given = {"left": left, "right": right, "by": by, "same": same}
    return render(
        "compare.html.j2",
        place,
        tables.written,
        views=views,
        maps=maps,
        by=kind,
        same=is_same,
        numbers=compare_numbers(*views),
        differences=differences,
        kinds=sorted({kind for view in views for kind in view.kinds}),
        here=lambda **changes: make_link("/compare", **given | changes),
    )


def show_error(
    place: Place, status: int, message: str, *, retries: bool = False, is_empty: bool = False
) -> str:
    """A page that says what is wrong."""
    title = "No database yet" if is_empty else _TITLES.get(status, "Something went wrong")
    return render(
        "error.html.j2", place, title=title, message=message, retries=retries, is_empty=is_empty
    )


def link_map(stored: StoredResult, by: str, other: StoredResult | None = None) -> str:
    """The address of a map's data."""
    beside = None if other is None else other.name
    return make_link(f"/api/results/{quote(stored.name)}/map", by=by, beside=beside)


def make_link(path: str, **parameters: Any) -> str:  # noqa: ANN401
    """An address with parameters; those that are None or empty are left out."""
    given = {name: value for name, value in parameters.items() if value not in (None, [], "")}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def render(
    template: str,
    place: Place,
    written: datetime | None = None,
    **context: Any,  # noqa: ANN401
) -> str:
    """A page.

    Args:
        template: Its template.
        place: Where the data are.
        written: When the state that it shows was written, if the database may have a newer one.
        context: What the template is given besides.
    """
    page = _make_environment().get_template(template)
    return page.render(place=place, written=written, **context)


@cache
def _make_environment() -> "Environment":
    """The templates of this package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("lightning_kedro.dashboard"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["map_section"] = Markup(read_template("map.html"))  # noqa: S704  (our own)
    environment.filters["day"] = _name_day
    return environment


def _name_day(day: date) -> str:
    """``14 July 2024``."""
    return f"{day:%d %B %Y}".lstrip("0")
