"""Pictures of a machine: chips as hexagons in SpiNNaker's layout, coloured by population, memory or link load.

Link E leads right, NE up and right, N up and left, so each chip touches its six neighbours. Boards are drawn whole: what wraps around an
edge stands beyond it, and on machines that wrap in x the skewed rows are folded back into a rectangle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator

from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.geometry import LINK_DX, LINK_DY, LINK_NAMES, board_outline_48

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]

EMPTY = "#e9e9ec"
DEAD = "#ffffff"
DEAD_EDGE = "#b8bcc4"
OUTLINE = "#30343b"
MIB = 2.0**20
#: More populations than this get a colour scale instead of a legend.
MOST_LEGEND_ENTRIES = 20
#: Above this number of chips single links cannot be told apart; the busiest of each chip is drawn.
MOST_CHIPS_WITH_LINKS = 3_000

#: Up to this number of boards each is labelled with the coordinates of its Ethernet chip.
MOST_BOARDS_WITH_LABELS = 6

#: Width of a panel.
PANEL_INCHES = 4.8

_SLANT = math.sqrt(3) / 2
#: Corners of a hexagon of width 1 with a corner on top, from the lower end of the edge towards E, anticlockwise.
_CORNERS: FloatArray = np.array([(math.cos(a), math.sin(a)) for a in np.pi / 6 * np.arange(-1, 11, 2)]) / math.sqrt(3)


class Layout(NamedTuple):
    """Where things are drawn, in widths of a chip; see :func:`layout`."""

    centres: FloatArray
    dead_centres: FloatArray
    borders: FloatArray
    bounds: tuple[float, float, float, float]


def layout(machine: MachineDescription) -> Layout:
    """Return where things are drawn, in widths of a chip.

    Returns
    -------
    centres : ndarray, shape (n_chips, 2)
        Of the working chips.
    dead_centres : ndarray, shape (n_dead, 2)
        Of chips that are missing on boards that are there.
    borders : ndarray, shape (n_edges, 2, 2)
        Ends of the edges between boards.
    bounds : (x0, y0, x1, y1)
    """
    outline = board_outline_48() if machine.width > 2 else np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.int32)
    ethernet = machine.ethernet_rows
    corner = _to_plane(machine.x[ethernet], machine.y[ethernet])
    if machine.wrap_x and machine.width > 2:
        corner[:, 0] %= machine.width
    local = _to_plane(outline[:, 0], outline[:, 1])

    board = np.searchsorted(ethernet, machine.ethernet)
    on_board = np.full((machine.width, machine.height), -1)
    on_board[outline[:, 0], outline[:, 1]] = np.arange(len(outline))
    part = on_board[(machine.x - machine.x[machine.ethernet]) % machine.width, (machine.y - machine.y[machine.ethernet]) % machine.height]
    works = np.zeros((len(ethernet), len(outline)), bool)
    works[board, part] = True
    everywhere = corner[:, None] + local

    inside = {(int(x), int(y)) for x, y in outline}
    edges = [
        [local[i] + _CORNERS[link], local[i] + _CORNERS[(link + 1) % 6]]
        for i, (x, y) in enumerate(outline)
        for link in range(6)
        if (int(x + LINK_DX[link]), int(y + LINK_DY[link])) not in inside
    ]
    borders = (corner[:, None, None] + np.array(edges)).reshape(-1, 2, 2)
    low, high = borders.min((0, 1)), borders.max((0, 1))
    bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Layout(corner[board] + local[part], everywhere[~works], borders, bounds)


def draw_machine(
    axes: Axes, machine: MachineDescription, values_by_chip: npt.ArrayLike, *, cmap: Colormap | str = "viridis", norm: Normalize | None = None
) -> PolyCollection:
    """Draw the chips, each in the colour of its value.

    Parameters
    ----------
    axes : Axes
        Gets equal scales and no frame.
    machine : MachineDescription
    values_by_chip : array_like, shape (n_chips,)
        NaN draws a chip as empty.
    cmap, norm
        Colours; by default from 0 to the largest value.

    Returns
    -------
    PolyCollection
        For a colour bar.
    """
    values = np.ma.masked_invalid(np.asarray(values_by_chip, float))
    place = layout(machine)
    chips = PolyCollection(_hexagons(place.centres), cmap=_with_empty(cmap), norm=norm or _from_zero(values))
    _style_edges(chips, machine)
    chips.set_array(values)
    axes.add_collection(chips, autolim=False)
    _draw_boards(axes, machine, place)
    return chips


def draw_links(axes: Axes, machine: MachineDescription, link_load: npt.ArrayLike, *, cmap: Colormap | str = "viridis_r") -> PolyCollection:
    """Draw the load of each link as the sixth of its chip's hexagon that it leaves by.

    Parameters
    ----------
    axes, machine
        As in :func:`draw_machine`.
    link_load : array_like, shape (n_chips, 6)
        Spikes/s leaving over links E, NE, N, W, SW, S; zero is drawn as empty. On large machines the busiest link colours its whole chip.
    """
    load = np.asarray(link_load, float)
    busy = np.where(load > 0, load, np.nan)
    if machine.n_chips > MOST_CHIPS_WITH_LINKS:
        return draw_machine(axes, machine, np.where((load > 0).any(1), load.max(1), np.nan), cmap=cmap)
    place = layout(machine)
    edges = np.stack([np.zeros_like(_CORNERS), _CORNERS, np.roll(_CORNERS, -1, axis=0)], 1)
    values = np.ma.masked_invalid(busy.ravel())
    sixths = PolyCollection(
        list((place.centres[:, None, None] + edges).reshape(-1, 3, 2)),
        cmap=_with_empty(cmap),
        norm=_from_zero(values),
        edgecolors="face",
        linewidths=0.1,
    )
    sixths.set_array(values)
    axes.add_collection(sixths, autolim=False)
    rims = PolyCollection(_hexagons(place.centres), facecolors="none")
    _style_edges(rims, machine)
    axes.add_collection(rims, autolim=False)
    _draw_boards(axes, machine, place)
    return sixths


def draw_populations(
    axes: Axes,
    machine: MachineDescription,
    population_of_chip: npt.ArrayLike,
    population_names: Sequence[str],
    second_population_of_chip: npt.ArrayLike | None = None,
) -> ListedColormap:
    """Draw the chips in the colours of their populations.

    Parameters
    ----------
    axes, machine
        As in :func:`draw_machine`.
    population_of_chip : array_like of int, shape (n_chips,)
        The population with most cores on the chip; -1 for an empty chip.
    population_names : sequence of str
    second_population_of_chip : array_like of int, shape (n_chips,), optional
        The one with second most cores, drawn as a smaller hexagon within; -1 where there is none.

    Returns
    -------
    ListedColormap
        A colour for each population.
    """
    colours = population_colours(len(population_names))
    norm = Normalize(-0.5, len(population_names) - 0.5)
    first = np.asarray(population_of_chip)
    draw_machine(axes, machine, np.where(first >= 0, first, np.nan), cmap=colours, norm=norm)
    if second_population_of_chip is not None:
        second = np.asarray(second_population_of_chip)
        mixed = np.flatnonzero(second >= 0)
        inner = PolyCollection(_hexagons(layout(machine).centres[mixed], 0.5), cmap=colours, norm=norm, linewidths=0)
        inner.set_array(second[mixed].astype(float))
        axes.add_collection(inner, autolim=False)
    if machine.n_boards <= MOST_BOARDS_WITH_LABELS:
        halo = [patheffects.withStroke(linewidth=1.5, foreground="white")]
        centres, size = layout(machine).centres, 7 if machine.n_boards == 1 else 5
        for i in machine.ethernet_rows:
            text = f"{machine.x[i]},{machine.y[i]}"
            axes.text(centres[i, 0], centres[i, 1], text, ha="center", va="center", fontsize=size, path_effects=halo)
    return colours


def population_colours(n: int) -> ListedColormap:
    """Return ``n`` colours: dark and light of one hue in turn while there are few, a spectrum for many."""
    import matplotlib

    if n <= MOST_LEGEND_ENTRIES:
        return ListedColormap(matplotlib.colormaps["tab20"].colors[: max(n, 1)])  # type: ignore[attr-defined]
    return ListedColormap(matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, n)))


def mapping_figure(
    machine: MachineDescription,
    population_of_chip: npt.ArrayLike,
    population_names: Sequence[str],
    sdram_bytes: npt.ArrayLike,
    link_load: npt.ArrayLike,
    *,
    second_population_of_chip: npt.ArrayLike | None = None,
) -> Figure:
    """Draw where a network is on a machine: populations, SDRAM in use and link load beside each other.

    Parameters
    ----------
    machine : MachineDescription
    population_of_chip : array_like of int, shape (n_chips,)
        Row of ``population_names`` with most cores on the chip; -1 for an empty chip.
    population_names : sequence of str
    sdram_bytes : array_like, shape (n_chips,)
        SDRAM in use.
    link_load : array_like, shape (n_chips, 6)
        Spikes/s over links E, NE, N, W, SW, S.
    second_population_of_chip : array_like of int, shape (n_chips,), optional
        See :func:`draw_populations`.

    Returns
    -------
    Figure
        Belongs to no window and to no global state; ``figure.savefig(path, dpi=150)`` writes it.
    """
    sdram = np.asarray(sdram_bytes, float) / MIB
    load = np.asarray(link_load, float)
    names = list(population_names)
    states = [state for state, there in (("empty", (np.asarray(population_of_chip) < 0).any()), ("dead", len(layout(machine).dead_centres))) if there]
    columns = _legend_columns([*names, *states])
    figure, axes, keys = _panels(machine, -(-(len(names) + len(states)) // columns) if len(names) <= MOST_LEGEND_ENTRIES else 3)

    colours = draw_populations(axes[0], machine, population_of_chip, names, second_population_of_chip)
    mixed = second_population_of_chip is not None and bool((np.asarray(second_population_of_chip) >= 0).any())
    axes[0].set_title("Populations" + (" (inner hexagon: the second most cores)" if mixed else ""), fontsize=10)
    _population_key(keys[0], colours, names, states, columns)

    memory = draw_machine(axes[1], machine, np.where(sdram > 0, sdram, np.nan), cmap="viridis_r")
    axes[1].set_title("SDRAM in use", fontsize=10)
    _scale(keys[1], memory, f"MiB used of the {machine.sdram_bytes.max(initial=0) / MIB:.1f} MiB of a chip", "no SDRAM in use")

    links = draw_links(axes[2], machine, load, cmap="magma_r")
    axes[2].set_title("Load of the links" if machine.n_chips <= MOST_CHIPS_WITH_LINKS else "Load of each chip's busiest link", fontsize=10)
    label = "spikes/s"
    if load.max(initial=0) > 0:
        chip, link = divmod(int(load.argmax()), 6)
        label += f"; most {load.max():,.0f} on link {LINK_NAMES[link]} of chip ({machine.x[chip]}, {machine.y[chip]})"
    _scale(keys[2], links, label, "no spikes on any link")
    return figure


def _to_plane(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Return the centres of chips: N leads up and to the left."""
    return np.stack([np.asarray(x, float) - np.asarray(y, float) / 2, np.asarray(y, float) * _SLANT], -1)


def _from_zero(values: np.ma.MaskedArray) -> Normalize:
    top = float(values.max()) if values.count() else 1.0
    return Normalize(0, top if top > 0 else 1.0)


def _with_empty(cmap: Colormap | str) -> Colormap:
    import matplotlib

    return (matplotlib.colormaps[cmap] if isinstance(cmap, str) else cmap).with_extremes(bad=EMPTY)


def _hexagons(centres: FloatArray, scale: float = 1.0) -> list[FloatArray]:
    return list(centres[:, None] + _CORNERS * scale)


def _style_edges(chips: PolyCollection, machine: MachineDescription) -> None:
    """Give chips white edges, or none where chips are as small as the lines."""
    if machine.n_chips > MOST_CHIPS_WITH_LINKS:
        chips.set_edgecolor("face")
        chips.set_linewidth(0.15)
    else:
        chips.set_edgecolor("white")
        chips.set_linewidth(1.0 if machine.n_boards == 1 else 0.4)


def _draw_boards(axes: Axes, machine: MachineDescription, place: Layout) -> None:
    """Draw dead chips and the boards' outlines, and set the limits to them."""
    dead = PolyCollection(_hexagons(place.dead_centres, 0.9), facecolors=DEAD, edgecolors=DEAD_EDGE, linewidths=0.4)
    width = 1.2 / (1 + machine.n_boards / 20) + 0.25
    borders = LineCollection(list(place.borders), colors=OUTLINE, linewidths=width, capstyle="round")
    axes.add_collection(dead, autolim=False)
    axes.add_collection(borders, autolim=False)
    margin = 0.01 * (place.bounds[2] - place.bounds[0]) + 0.1
    axes.set_xlim(place.bounds[0] - margin, place.bounds[2] + margin)
    axes.set_ylim(place.bounds[1] - margin, place.bounds[3] + margin)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _panels(machine: MachineDescription, legend_rows: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """Return a figure of three panels with a key below each, measured in inches so that nothing can overlap."""
    x0, y0, x1, y1 = layout(machine).bounds
    width, gap, title, key = PANEL_INCHES, 0.25, 0.35, max(0.75, 0.25 + 0.2 * legend_rows)
    height = min(max(width * (y1 - y0) / (x1 - x0), 1.5), 6.5)
    total = (3 * width + 4 * gap, height + title + key + 0.1)
    figure = Figure(figsize=total, facecolor="white")
    axes, keys = [], []
    for i in range(3):
        left = gap + i * (width + gap)
        axes.append(figure.add_axes((left / total[0], key / total[1], width / total[0], height / total[1])))
        keys.append(figure.add_axes((left / total[0], 0, width / total[0], (key - 0.05) / total[1])))
        keys[-1].set_axis_off()
    return figure, axes, keys


def _legend_columns(labels: list[str]) -> int:
    """Return how many columns of labels in 8 point, about 0.07 inches a letter, fit a panel."""
    return max(1, min(5, int(PANEL_INCHES / (0.42 + 0.07 * max(map(len, labels), default=0)))))


def _population_key(axes: Axes, colours: ListedColormap, names: list[str], states: list[str], columns: int) -> None:
    if len(names) <= MOST_LEGEND_ENTRIES:
        handles = [Patch(facecolor=colours(i), label=name) for i, name in enumerate(names)]
        handles += [Patch(facecolor=EMPTY if state == "empty" else DEAD, edgecolor=DEAD_EDGE, linewidth=0.4, label=state) for state in states]
        axes.legend(
            handles=handles, loc="upper center", ncols=columns, frameon=False, fontsize=8, handlelength=1.2, columnspacing=1.2, borderaxespad=0
        )
        return
    groups = [name.rsplit("-", 1)[0] for name in names]
    starts = [i for i, group in enumerate(groups) if i == 0 or groups[i - 1] != group]
    centres = [(a + b - 1) / 2 for a, b in zip(starts, [*starts[1:], len(groups)], strict=True)]
    every = -(-len(starts) // 36)
    bar = axes.inset_axes((0.02, 0.72, 0.96, 0.2))
    figure = axes.get_figure()
    assert figure is not None
    scale = figure.colorbar(ScalarMappable(Normalize(-0.5, len(names) - 0.5), colours), cax=bar, orientation="horizontal")
    scale.set_ticks(centres[::every], labels=[groups[i] for i in starts[::every]], rotation=90, fontsize=6)
    bar.tick_params(length=2, pad=1)


def _scale(axes: Axes, mappable: PolyCollection, label: str, nothing: str) -> None:
    """Draw a colour bar with its label, or the words ``nothing`` if no chip has a value."""
    values = mappable.get_array()
    if values is None or np.ma.count(values) == 0:
        axes.text(0.5, 0.9, nothing, ha="center", va="top", fontsize=8, transform=axes.transAxes)
        return
    figure = axes.get_figure()
    assert figure is not None
    height = axes.get_window_extent().height / figure.dpi
    bar = axes.inset_axes((0.08, 1 - 0.22 / height, 0.84, 0.14 / height))
    scale = figure.colorbar(mappable, cax=bar, orientation="horizontal", format=EngFormatter(sep=" ") if np.max(values) >= 1000 else None)
    scale.locator = MaxNLocator(6)
    scale.update_ticks()
    scale.outline.set_visible(False)
    bar.tick_params(labelsize=8, length=2)
    bar.set_xlabel(label, fontsize=8)
