"""The report: one HTML file with the pictures, the numbers, the notes and an interactive map."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow, describe_clusters
from lightning_kedro.pipelines.reporting.findings import Findings, list_parameters
from lightning_kedro.pipelines.reporting.interactive_map import collect_map_data, describe_thinning
from lightning_kedro.pipelines.reporting.palette import DARK, LIGHT

if TYPE_CHECKING:
    from markupsafe import Markup

_CAPTIONS: Final = {
    "cluster_map": "Flashes by cluster. Rings mark the centres; 0 is the cluster with the most.",
    "cluster_animation": "The same flashes in order of time; older ones fade.",
    "density_map": "Flashes per 1,000 km² in bins of equal area, on a logarithmic scale.",
    "flash_rate": "Flashes per minute. Hatched: no data, which is not the same as no lightning.",
    "k_evaluation": "Which number of clusters was chosen, and what the evaluators say.",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the report.

    Attributes:
        name: The catalog entry's name.
        caption: What it shows.
        source: A ``data:`` address that holds the file.
    """

    name: str
    caption: str
    source: str


def embed_pictures(pictures: Mapping[str, bytes]) -> list[Picture]:
    """Pictures with their captions, their files inside the addresses."""
    embedded = []
    for name, content in pictures.items():
        kind = "gif" if content.startswith(b"GIF8") else "png"
        text = base64.b64encode(content).decode("ascii")
        embedded.append(Picture(name, _CAPTIONS[name], f"data:image/{kind};base64,{text}"))
    return embedded


def write_html(
    clustered: ClusteredWindow,
    findings: Findings,
    pictures: Mapping[str, bytes],
    parameters: Mapping[str, Any],
) -> str:
    """Write the report.

    Args:
        clustered: The window's flashes and clusters.
        findings: The numbers and notes.
        pictures: The pictures' files by catalog entry, in the order in which they appear.
        parameters: The run's parameters.

    Returns:
        HTML that needs nothing else: no script, style, font or image comes from anywhere.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(read_template("report.html.j2"))
    words = describe_clusters(clustered)
    return template.render(
        words=words,
        simulated=clustered.simulated,
        findings=findings,
        thinning=describe_thinning(len(clustered)),
        pictures=embed_pictures(pictures),
        parameters=list_parameters(parameters),
        light=LIGHT,
        dark=DARK,
        colours=[LIGHT.clusters[colour] for colour in clustered.colours],
        style=_trust(read_template("report.css")),
        script=_trust(read_template("map.js")),
        data=_trust(collect_map_data(clustered)),
    )


def read_template(name: str) -> str:
    """A file of the folder ``templates``."""
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _trust(text: str) -> "Markup":
    """Text of our own that is to be inserted as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  (templates of this package, and JSON without "<")
