"""``export``: flashes, clusters and storms as GeoParquet, GeoJSON or CSV."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lightning_kedro.commands.errors import plain_errors
from lightning_kedro.exceptions import ParameterError

if TYPE_CHECKING:
    from lightning_kedro.store.export import Wanted

EXPORTED: Final = (
    *("flashes", "clustered_flashes", "cluster_centers", "storms", "storm_flashes"),
    *("flash_matches", "flash_artifacts"),
)
"""As ``lightning_kedro.store.export`` has them, which is too heavy for ``--help``."""

_SIDES: Final = ("west", "south", "east", "north")


@click.command(name="export")
@click.argument("table", type=click.Choice(EXPORTED))
@click.option(
    "--to",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write; its suffix is the format: .parquet (GeoParquet), .geojson or .csv.",
)
@click.option(
    "--window",
    metavar="START/END",
    help="UTC, ISO 8601, or now, now-3h, now-2d. Default: that of the latest result.",
)
@click.option("--satellite", help="A satellite, east, west or both. Default: whatever is there.")
@click.option("--region", metavar="W,S,E,N", help="A box in degrees, or all.")
@click.option("--min-quality", type=click.Choice(["all", "good"]), help="good: flag 0 only.")
@click.option("--label", help="clustering.label of the result.")
@click.option("--env", "-e", default=None, help="Kedro environment whose database to read.")
def export(table: str, path: Path, env: str | None, **options: Any) -> None:  # noqa: ANN401
    """Write TABLE to a file, for GIS, geopandas and spreadsheets.

    Flashes are those of any window that is loaded. Clusters and storms are those of a result, the
    latest that has the window, satellite, region, quality and label given. A flash and a center
    are points, a storm is the outline of its flashes; longitudes and latitudes are OGC:CRS84.
    """
    from lightning_kedro.commands.catalog import open_catalog
    from lightning_kedro.store.export import export_table

    with plain_errors():
        wanted = read_wanted(**options)
        with open_catalog(env) as catalog:
            database = catalog.get(table).database  # type: ignore[union-attr]
        done = export_table(database, table, wanted, path)
    click.echo(f"Wrote {describe(done.n_rows, table, done.about)} to {path}.")
    if done.simulated:
        click.echo("They are simulated, and the column simulated says so.")


def read_wanted(
    window: str | None = None,
    satellite: str | None = None,
    region: str | None = None,
    min_quality: str | None = None,
    label: str | None = None,
    *,
    now: datetime | None = None,
) -> "Wanted":
    """Check the options as the parameters of a run are checked.

    Args:
        window: ``START/END``.
        satellite: In any usual spelling.
        region: ``W,S,E,N``, or ``all``.
        min_quality: ``all`` or ``good``.
        label: A label.
        now: What ``now`` means; the present, if None.

    Raises:
        ParameterError: If one of them cannot be used.
    """
    from lightning_kedro.glm.satellites import PLATFORMS
    from lightning_kedro.parameters import check_parameters
    from lightning_kedro.selection import Region, split_label
    from lightning_kedro.store.export import Wanted

    plain = None if label is None else split_label(label)[0]  # @ground and its like come after it
    given: dict[str, Any] = {
        "satellite": satellite or PLATFORMS[0],
        "window": _split_window(window or "now-1h/now"),
        "clustering": {} if plain is None else {"label": plain},
        "preprocessing": {"region": {} if region in {None, "all"} else _split_region(str(region))},
    }
    checked = check_parameters(given, now=now or datetime.now(UTC))
    start, end = (
        datetime.fromisoformat(checked["window"][side]).replace(tzinfo=UTC)
        for side in ("start", "end")
    )
    sides = checked["preprocessing"]["region"]
    return Wanted(
        satellite=None if satellite is None else checked["satellite"],
        window=None if window is None else (start, end),
        region=Region(**sides) if sides["west"] is not None else region,
        min_quality=min_quality,
        label=None if label is None else checked["clustering"]["label"] + label[len(plain or "") :],
    )


def _split_window(text: str) -> dict[str, str]:
    """The sides of ``START/END``."""
    parts = text.split("/")
    if len(parts) != len(("start", "end")):
        message = (
            f"Option --window: {text!r} is no window; give START/END, such as "
            f"2024-07-14T22:00/2024-07-14T23:00."
        )
        raise ParameterError(message)
    return dict(zip(("start", "end"), parts, strict=True))


def _split_region(text: str) -> dict[str, str]:
    """The sides of ``W,S,E,N``."""
    parts = text.split(",")
    if len(parts) != len(_SIDES):
        message = (
            f"Option --region: {text!r} is no region; give west,south,east,north in degrees, such "
            f"as -100,20,-80,45, or all."
        )
        raise ParameterError(message)
    return dict(zip(_SIDES, parts, strict=True))


def describe(n_rows: int, table: str, about: dict[str, Any]) -> str:
    """How many rows of what."""
    label = f", label {about['label']}" if about.get("label", "default") != "default" else ""
    region = f", region {about['region']}" if about["region"] != "all" else ""
    return (
        f"{n_rows:,} rows of {table} ({about['platform']}, {about['window_start']} to "
        f"{about['window_end']}{region}{label})"
    )
