"""The nodes of the pipeline ``climatology`` that draw it and gather its files."""

from collections.abc import Mapping
from typing import Any, Final

from kedro.pipeline import Node, Pipeline

from lightning_kedro.analysis.climatology.fields import Climatology
from lightning_kedro.analysis.climatology.published import PublishedClimatology
from lightning_kedro.analysis.climatology.window import keep_whole_hours
from lightning_kedro.climatology_parameters import name_climatology
from lightning_kedro.file_formats import NETCDF, split_formats
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.satellites import SATELLITES
from lightning_kedro.pipelines.reporting import climatology_maps, diurnal_cycle
from lightning_kedro.pipelines.reporting.figures import render_png
from lightning_kedro.pipelines.reporting.window import Window
from lightning_kedro.selection import Selection

PICTURES = ("thunder_hours.png", "flash_density.png", "diurnal_cycle.png")
"""The pictures, in the order in which they are gathered."""

_ONCE: Final = "a flash that both satellites saw counts once, for the one that sees it less aslant"


def map_thunder_hours(
    made: Climatology, selection: Mapping[str, Any], options: Mapping[str, Any]
) -> bytes:
    """Draw how many hours had thunder within earshot."""
    window = read_window(selection)
    words = climatology_maps.describe_thunder(made, window, options)
    return render_png(climatology_maps.draw_thunder_hours(made, window, options), words)


def map_flash_density(made: Climatology, selection: Mapping[str, Any]) -> bytes:
    """Draw flashes per km2 and year of observation."""
    window = read_window(selection)
    words = climatology_maps.describe_density(made, window)
    return render_png(climatology_maps.draw_flash_density(made, window), words)


def plot_diurnal_cycle(made: Climatology, selection: Mapping[str, Any]) -> bytes:
    """Draw flashes per observed hour by hour of UTC and of local solar time."""
    words = diurnal_cycle.describe_cycle(made, read_window(selection))
    return render_png(diurnal_cycle.draw_cycle(made, words), words)


def gather_climatology(
    made: Climatology,
    selection: Mapping[str, Any],
    options: Mapping[str, Any],
    *pictures: bytes,
) -> tuple[PublishedClimatology, ...]:
    """Put fields and pictures together: the same for every output.

    Returns:
        One publication as often as the node has outputs; the entry of the last one publishes it.
    """
    window = read_window(selection)
    selected = window.selection
    platforms = selected.platform.split("+")
    published = PublishedClimatology(
        name=name_climatology(Selection.from_plain(selection), options),
        files=dict(zip(PICTURES, pictures, strict=True)),
        extras={},
        card={},
        climatology=made,
        start=window.start.isoformat(),
        end=window.end.isoformat(),
        facts={
            "platform_ID": "+".join(platforms),
            "instrument_ID": "+".join(SATELLITES[name].instrument for name in platforms),
            "region": selected.key.region,
            "min_quality": selected.min_quality,
            "thunder_radius_km": float(options["thunder_km"]),
            "thunder_flashes": int(options["thunder_flashes"]),
            **({"both_slots": _ONCE} if selected.is_merged else {}),
        },
        formats=split_formats(options.get("format", NETCDF)),
    )
    return (published,) * (len(pictures) + 1)


def read_window(selection: Mapping[str, Any]) -> Window:
    """The whole hours of a selection, with the slots that its satellites hold."""
    selected = keep_whole_hours(Selection.from_plain(selection))
    slots = {
        part.platform: (field_of_view(part.platform, part.start).orbital_slot,)
        for part in selected.segments
    }
    names = {name: (slot.removeprefix("GOES-"),) for name, (slot,) in slots.items()}
    return Window(selected, names)


def create_climatology_pipeline() -> Pipeline:
    """The second part of the pipeline ``climatology``: pictures, and all files at once."""
    made, chosen, options = "climatology_fields", "params:selection", "params:climatology"
    drawn = ["drawn_thunder_hours", "drawn_flash_density", "drawn_diurnal_cycle"]
    published = ["thunder_hours", "flash_density", "diurnal_cycle", "climatology"]
    return Pipeline(
        [
            Node(map_thunder_hours, [made, chosen, options], drawn[0], name="thunder_hour_map"),
            Node(map_flash_density, [made, chosen], drawn[1], name="flash_density_map"),
            Node(plot_diurnal_cycle, [made, chosen], drawn[2], name="diurnal_cycle"),
            Node(
                gather_climatology,
                [made, chosen, options, *drawn],
                published,
                name="climatology_publisher",
            ),
        ],
        tags="climatology",
    )
