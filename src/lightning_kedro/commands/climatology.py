"""``climatology``: thunder hours, flash density and diurnal cycle of what is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from lightning_kedro.commands.errors import plain_errors
from lightning_kedro.packaged import PACKAGE

if TYPE_CHECKING:
    from kedro.framework.session import KedroSession

    from lightning_kedro.datasets.climatology import ClimatologyDataset

_PIPELINE: Final = "climatology"


@click.command(name="climatology")
@click.option("--satellite", required=True, help="A satellite, east, west or both.")
@click.option("--start", required=True, help="UTC, ISO 8601, or now-30d and the like; inclusive.")
@click.option("--end", required=True, help="The same; exclusive. Hours that are cut do not count.")
@click.option("--region", metavar="W,S,E,N", help="A box in degrees. Default: all that is seen.")
@click.option("--degrees", type=float, help="Side of a grid cell in degrees. Default: 0.05.")
@click.option("--format", type=click.Choice(["netcdf", "zarr", "both"]), help="Default: netcdf.")
@click.option("--min-quality", type=click.Choice(["all", "good"]), help="good: flag 0 only.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the folder with the files goes. Default: data/08_reporting/climatology.",
)
@click.option("--env", "-e", default=None, help="Kedro environment whose database to read.")
def climatology(env: str | None, **options: Any) -> None:  # noqa: ANN401
    """Thunder hours, flash density and diurnal cycle of any window that is loaded.

    Of months or years in the memory that a day takes. The same as the pipeline climatology of
    `kedro run`, whose other parameters are climatology.thunder_km and climatology.thunder_flashes.
    """
    from kedro.framework import project

    from lightning_kedro.project import FolderSession

    if project.PACKAGE_NAME is None:  # not started by `kedro`
        project.configure_project(PACKAGE)
    with plain_errors():
        parameters = read_parameters(**options)
        with FolderSession.create(env=env, runtime_params=parameters) as created:
            session = cast("KedroSession", created)
            session.run(pipeline_names=[_PIPELINE])
            catalog = session.load_context().catalog
            folder = cast("ClimatologyDataset", catalog.get(_PIPELINE)).folder
    click.echo(f"Wrote {', '.join(sorted(path.name for path in folder.iterdir()))} in {folder}.")


def read_parameters(
    satellite: str,
    start: str,
    end: str,
    region: str | None = None,
    degrees: float | None = None,
    min_quality: str | None = None,
    out: Path | None = None,
    format: str | None = None,  # noqa: A002  (the option's name)
) -> dict[str, Any]:
    """The parameters of a run that the options stand for, which the run checks.

    Raises:
        ParameterError: If the region is none.
    """
    from lightning_kedro.commands.export import split_region

    made: dict[str, Any] = {"satellite": satellite, "window": {"start": start, "end": end}}
    preprocessing: dict[str, Any] = {}
    if region not in (None, "all"):
        preprocessing["region"] = split_region(region)
    if min_quality is not None:
        preprocessing["min_quality"] = min_quality
    options: dict[str, Any] = {} if degrees is None else {"degrees": degrees}
    if out is not None:
        options["folder"] = str(out.resolve())
    if format is not None:
        options["format"] = format
    return made | {
        name: branch
        for name, branch in (("preprocessing", preprocessing), (_PIPELINE, options))
        if branch
    }
