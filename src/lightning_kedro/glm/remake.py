"""Flashes made anew from groups and events, by the rule of the instrument's own algorithm.

The LCFA (lightning cluster filter algorithm) makes flashes of groups that are within 330 ms and
16.5 km of one another: two groups are of one flash where

    (time between them / 330 ms)^2 + (distance between them / 16.5 km)^2 <= 1,

with the distance between the nearest of their events, and where they are linked by others that are.
A flash is closed after its 101st group or after 3 s; what comes later begins another. Real granules
agree: flashes without a quality flag never have more than 100 groups or last longer than 3 s.

Source: Goodman et al. (2013), The GOES-R Geostationary Lightning Mapper (GLM), Atmospheric Research
125-126, 34-49, and its algorithm theoretical basis document; the limits are those of the files.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.glm.levels import GranuleEvents, GranuleGroups

LINK_SECONDS: Final = 0.330
LINK_KM: Final = 16.5
MAX_GROUPS: Final = 101
"""A flash is closed with so many groups (quality flag 3)."""

MAX_SECONDS: Final = 3.0
"""A flash is closed when it has lasted so long (quality flag 5)."""

EARTH_RADIUS_KM: Final = 6371.0088

_SLACK_SECONDS: Final = 1e-6
"""Times are rounded: 330 ms and a rounding still link, and 3 s less a rounding close a flash."""

_EVENTS_AT_ONCE: Final = 1024
"""Neighbours of so many events are looked up at once, which bounds memory."""

Links = NDArray[np.intp]
"""Pairs of groups that are near each other, by rank in order of time: shape (links, 2), the later
group first, in order of it."""


def remake_flashes(groups: GranuleGroups, events: GranuleEvents | None = None) -> NDArray[np.intp]:
    """Make flashes of the groups of a granule, without looking at the flashes in it.

    All groups of a flash are in the granule in which it closes, so that one granule is enough.

    Args:
        groups: The groups of a granule, n of them.
        events: Its events; without them distances are between centroids of groups, which tears
            large flashes apart. Events of which the true longitude is not known are left out.

    Returns:
        The flash of each group, shape (n,): numbers from 0 in order of the flashes' first groups.
    """
    n_groups = len(groups)
    if not n_groups:
        return np.empty(0, np.intp)
    order = np.lexsort((groups.group_id, groups.time))
    seconds = (groups.time[order] - groups.time[order[0]]) / np.timedelta64(1, "s")
    owners, places = _list_places(groups, events, order)
    links = _find_links(owners, places, seconds)
    made = _join_groups(links, seconds)
    flashes = np.empty(n_groups, np.intp)
    flashes[order] = _number(made)
    return flashes


def _list_places(
    groups: GranuleGroups, events: GranuleEvents | None, order: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Where groups are: the places of their events, or their own where they have none.

    Returns:
        Ranks of groups in ascending order, shape (places,), and the places in km from the center of
        the Earth, shape (places, 3).
    """
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    owners, lat, lon = rank[:0], groups.lat[:0].astype(float), groups.lon[:0].astype(float)
    if events is not None:
        sorter = np.argsort(groups.group_id)
        found = np.searchsorted(groups.group_id, events.parent_group_id, sorter=sorter)
        parents = sorter[np.minimum(found, len(sorter) - 1)]
        is_known = groups.group_id[parents] == events.parent_group_id
        kept = is_known & ~events.is_clamped
        owners, lat, lon = rank[parents[kept]], events.lat[kept], events.lon[kept]
    bare = np.setdiff1d(np.arange(len(order)), owners)
    owners = np.concatenate([owners, bare])
    lat = np.concatenate([lat, groups.lat[order[bare]].astype(float)])
    lon = np.concatenate([lon, groups.lon[order[bare]].astype(float)])
    ascending = np.argsort(owners, kind="stable")
    return owners[ascending], _to_km(lat[ascending], lon[ascending])


def _to_km(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on a sphere (degrees) as vectors from its center (km), shape (n, 3)."""
    phi, theta = np.radians(lat), np.radians(lon)
    parallel = np.cos(phi)
    vectors = np.stack([parallel * np.cos(theta), parallel * np.sin(theta), np.sin(phi)], axis=1)
    return EARTH_RADIUS_KM * vectors


def _find_links(
    owners: NDArray[np.intp], places: NDArray[np.float64], seconds: NDArray[np.float64]
) -> Links:
    """Find the pairs of groups that the rule links: neighbours within 1 in four dimensions."""
    from scipy.spatial import cKDTree

    link_seconds = LINK_SECONDS + _SLACK_SECONDS
    times = seconds[owners]
    points = np.column_stack([places / LINK_KM, times / link_seconds])
    first_near = np.searchsorted(times, times - link_seconds - _SLACK_SECONDS)
    found = []
    for start in range(0, len(points), _EVENTS_AT_ONCE):
        stop = min(start + _EVENTS_AT_ONCE, len(points))
        before = first_near[start]
        tree = cKDTree(points[start:stop])
        near = tree.sparse_distance_matrix(cKDTree(points[before:stop]), 1.0, output_type="ndarray")
        later, earlier = owners[near["i"] + start], owners[near["j"] + before]
        pairs = (later * len(seconds) + earlier)[earlier < later]
        found.append(np.unique(pairs))
    links = np.unique(np.concatenate(found))
    return np.stack(np.divmod(links, len(seconds)), axis=1)


def _join_groups(links: Links, seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """Join linked groups; where a flash may have been closed, one group after the other.

    Returns:
        A label for each group in order of time, the same for groups of one flash.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_groups = len(seconds)
    graph = coo_array((np.ones(len(links), bool), tuple(links.T)), shape=(n_groups, n_groups))
    labels: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    counts = np.bincount(labels)
    last = np.zeros(len(counts))
    np.maximum.at(last, labels, seconds)
    first = np.full(len(counts), np.inf)
    np.minimum.at(first, labels, seconds)
    is_closed = (counts >= MAX_GROUPS) | (last - first >= MAX_SECONDS - _SLACK_SECONDS)
    made = labels + n_groups  # labels below are numbers of groups
    chosen = np.flatnonzero(is_closed[labels])
    if len(chosen):
        kept = links[is_closed[labels[links[:, 0]]]]
        made[chosen] = _join_in_order(kept, seconds, chosen)
    return made


def _join_in_order(
    links: Links, seconds: NDArray[np.float64], chosen: NDArray[np.intp]
) -> list[int]:
    """Join some groups one after the other, so that flashes are closed on the way."""
    members: dict[int, list[int]] = {}
    flash_of: dict[int, int] = {}
    closed: set[int] = set()
    first_links = np.searchsorted(links[:, 0], chosen)
    last_links = np.searchsorted(links[:, 0], chosen, side="right")
    earlier = links[:, 1].tolist()
    spans = zip(chosen.tolist(), first_links.tolist(), last_links.tolist(), strict=True)
    for group, first, last in spans:
        near = {flash_of[other] for other in earlier[first:last]} - closed
        flash = min(near, default=group)
        joined = members.setdefault(flash, [])
        for other in near - {flash}:
            joined += members.pop(other)
        joined.append(group)
        for member in joined if len(near) > 1 else (group,):
            flash_of[member] = flash
        lasted = seconds[group] - seconds[min(joined)] + _SLACK_SECONDS
        if len(joined) >= MAX_GROUPS or lasted >= MAX_SECONDS:
            closed.add(flash)
    return [flash_of[group] for group in chosen.tolist()]


def _number(made: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number labels from 0 in order of their first occurrence."""
    _, first, inverse = np.unique(made, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.intp)
    ranks[np.argsort(first)] = np.arange(len(first))
    return ranks[inverse]
