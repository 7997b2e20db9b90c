"""Stand-ins for pictures, where a test is about anything but how they look.

To draw the eleven pictures of a report takes most of a short run's time.
"""

import io
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lightning_kedro.pipelines.reporting import gridded_nodes, nodes

DRAWN = {
    nodes: (
        *("cluster_map.draw_cluster_map", "density_map.draw_density", "storm_map.draw_storm_map"),
        *("storm_series.draw_storm_series", "flash_rate.draw_rate"),
        *("k_evaluation.draw_evaluation", "animation.animate"),
    ),
    gridded_nodes: (
        *("fed_map.draw_fed_map", "fed_map.draw_fed_panels", "fed_animation.animate_fed"),
        "density_panels.draw_density_panels",
    ),
}
"""What draws, by the nodes that call it."""


def stand_in() -> None:
    """Put stand-ins in the place of everything that draws, for as long as this process lives."""
    for place, name, stand in _list_stand_ins():
        setattr(place, name, stand)


def stand_in_for(patch: Any) -> None:
    """The same for as long as a ``MonkeyPatch`` holds."""
    for place, name, stand in _list_stand_ins():
        patch.setattr(place, name, stand)


def _list_stand_ins() -> list[tuple[Any, str, Any]]:
    found: list[tuple[Any, str, Any]] = []
    for module, names in DRAWN.items():
        for name in names:
            part, _, function = name.partition(".")
            place = getattr(module, part)
            assert callable(getattr(place, function))
            found.append((place, function, _choose(function)))
        found.append((module, "render_png", _render))
    return found


def _choose(function: str) -> Any:
    if function.startswith("animate"):
        return lambda *arguments: _encode("GIF", arguments[-1])
    if function == "draw_density":  # it finds its words itself
        return lambda clustered, _: (None, clustered.window)
    return lambda *_: None


def _render(_: Any, words: Any) -> bytes:
    return _encode("PNG", words)


def _encode(kind: str, words: Any) -> bytes:
    """A picture of one colour that holds the words of the one that it stands for."""
    about = PngInfo()
    about.add_text("Description", f"{words}")
    more: dict[str, Any] = {"pnginfo": about} if kind == "PNG" else {"comment": f"{words}".encode()}
    target = io.BytesIO()
    Image.new("RGB", (48, 32)).save(target, kind, **more)
    return target.getvalue()
