"""The report: one HTML file with the pictures, the numbers, the notes and an interactive map."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from lightning_kedro.pipelines.reporting.cluster_map import describe_clusters
from lightning_kedro.pipelines.reporting.findings import (
    describe_origin,
    gather_findings,
    list_options,
)
from lightning_kedro.pipelines.reporting.interactive_map import (
    collect_map_data,
    describe_downsampling,
)
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.reported import ReportedResult
from lightning_kedro.pipelines.reporting.storm_findings import explain_jumps, gather_storms
from lightning_kedro.publication import Fact, Publication
from lightning_kedro.sky_words import describe_place

if TYPE_CHECKING:
    from markupsafe import Markup

_CAPTIONS: Final = {
    "cluster_map": "Flashes by cluster. Rings mark the centers; 0 is the cluster with the most.",
    "storm_map": "Storms: outlines, tracks with arrows, flashes paler the earlier they were.",
    "cluster_animation": "Flashes by cluster in order of time; older ones fade. Light: storms.",
    "storm_series": "Flashes per minute of the largest storms. Triangles: lightning jumps.",
    "density_map": "Flashes per 1,000 km² in bins of equal area, logarithmic. Shaded: not seen.",
    "flash_rate": "Flashes per minute. Hatched: no data, which is not the same as no lightning.",
    "k_evaluation": "Which number of clusters was chosen, and what the evaluators say.",
}

SCRIPTS: Final = ("basemap.js", "chart.js", "storms.js", "map.js", "report.js", "pictures.js")

PICTURES: Final = tuple(_CAPTIONS)
"""The pictures in the order in which the report shows them."""

CHART: Final = "k_evaluation.json"
PAGE: Final = "report.html"
THUMBNAIL: Final = "thumbnail.png"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the report.

    Attributes:
        name: The catalog entry's name.
        caption: What it shows.
        source: A ``data:`` address that holds the file.
        file: The file's name.
    """

    name: str
    caption: str
    source: str
    file: str


def embed_pictures(pictures: Mapping[str, bytes]) -> list[Picture]:
    """Pictures with their captions, their files inside the addresses."""
    embedded = []
    for name, content in pictures.items():
        kind = find_kind(content)
        text = base64.b64encode(content).decode("ascii")
        source = f"data:image/{kind};base64,{text}"
        embedded.append(Picture(name, _CAPTIONS[name], source, f"{name}.{kind}"))
    return embedded


def gather_publication(
    reported: ReportedResult, pictures: Sequence[bytes], chart: bytes
) -> Publication:
    """Put a report together.

    Args:
        reported: The result.
        pictures: The pictures' files, in the order of ``PICTURES``.
        chart: The chart of k as JSON.
    """
    named = dict(zip(PICTURES, pictures, strict=True))
    page = write_html(reported, named)
    files = {f"{name}.{find_kind(content)}": content for name, content in named.items()}
    files |= {CHART: chart, PAGE: page.encode("utf-8")}
    selection = reported.window.selection
    extras = {THUMBNAIL: shrink(named["cluster_map"])}
    return Publication(selection.name, files, extras, write_card(reported), selection)


def write_card(reported: ReportedResult) -> dict[str, Fact]:
    """What the list of all reports says of this one."""
    key, row = reported.window.selection.key, reported.row
    run_time = row["run_time"]
    return {
        "title": describe_clusters(reported.clustered).title,
        "satellites": reported.window.satellites,
        "dates": reported.window.dates,
        "region": key.region,
        "min_quality": key.min_quality,
        "label": key.label,
        "n_flashes": len(reported.clustered),
        "k": len(reported.clustered.centers),
        "run_time": "" if run_time is None else f"{run_time:%Y-%m-%dT%H:%M:%S}",
        "identity": reported.identity,
        "simulated": reported.simulated,
    }


def shrink(picture: bytes) -> bytes:
    """A picture as a thumbnail: a PNG file of a quarter of its width and height."""
    from PIL import Image

    target = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").reduce(4).save(target, "PNG")
    return target.getvalue()


def find_kind(content: bytes) -> str:
    """Whether a picture is a ``gif`` or a ``png``."""
    return "gif" if content.startswith(b"GIF8") else "png"


def write_html(reported: ReportedResult, pictures: Mapping[str, bytes]) -> str:
    """Write the report.

    Args:
        reported: The result.
        pictures: The pictures' files by name, in the order in which they appear.

    Returns:
        HTML that needs nothing else: no script, style, font or image comes from anywhere.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(read_template("report.html.j2"))
    clustered = reported.clustered
    return template.render(
        words=describe_clusters(clustered),
        simulated=clustered.simulated,
        findings=gather_findings(reported),
        storms=gather_storms(reported),
        explained_jumps=explain_jumps(),
        downsampling=describe_downsampling(len(clustered)),
        pictures=embed_pictures(pictures),
        options=list_options(reported.row),
        origin=describe_origin(reported.row),
        place=describe_place(reported.window.selection.place),
        name=reported.window.selection.name,
        colours=[DARK.clusters[colour] for colour in clustered.colours],
        style=_trust(read_template("report.css")),
        map=_trust(read_template("map.html")),
        script=_trust("\n".join(read_template(name) for name in SCRIPTS)),
        data=_trust(collect_map_data(clustered, reported.storms, reported.rate.gaps)),
    )


def read_template(name: str) -> str:
    """A file of the folder ``templates``."""
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _trust(text: str) -> "Markup":
    """Text of our own that is to be inserted as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  (templates of this package, and JSON without "<")
