"""The errors of a comparison: by side, net, seed and test image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vgglab.config import Config
from vgglab.config.claims import Metric
from vgglab.config.nets import Conv
from vgglab.runs import RunRecord, State
from vgglab.runs.records import ProtocolErrors, is_guessing
from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.contrast import Group, Measured, noise_of_images, sums_of_originals
from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.claims.sides import Side, places_of
from vgglab.study.claims.tested import TOP_K, UNTRAINED, Point


@dataclass(frozen=True)
class Cell:
    """One net of a side: its errors under the seeds with which it trained."""

    side: int
    average: int
    """Which of the nets that its side averages over."""
    weights: Hashable
    """Equal for nets that start from the same weights under one seed: these are paired."""
    seeds: tuple[int, ...]
    """Seeds with which the net trained, and was tested."""
    untrained: tuple[int, ...]
    """Seeds with which it did not train: it diverged, was untrainable, or guesses."""
    errors_s: NDArray[np.float64]
    """Percent, in the order of ``seeds``."""
    sums_so: NDArray[np.float64] | None
    """(seeds, originals), of ``sums_of_originals``; None where predictions are lacking."""
    condensed_from: int | None = None
    """Originals that there were, where ``sums_so`` is condensed to fewer columns."""

    @property
    def error(self) -> float | None:
        """Mean over the seeds, percent; None without one."""
        return float(self.errors_s.mean()) if self.seeds else None


@dataclass(frozen=True)
class Paired:
    """The errors that a claim is tested on: those of runs that trained, and how many did not."""

    cells: tuple[Cell, ...]
    sides: int
    waiting: tuple[int, ...]
    """Seeds of which a run has no outcome, or no error under the protocol."""
    places: tuple[float, ...]
    """Where the sides stand along an order: weight layers, the value of a field, or 0, 1, 2."""
    images: int | None
    """Test images that the errors are over; None where that is not known."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that have an outcome on some side."""
        found = {s for cell in self.cells for s in (*cell.seeds, *cell.untrained)}
        return tuple(sorted(found))

    @property
    def untrained(self) -> tuple[int, ...]:
        """Seeds with which some net did not train."""
        return tuple(sorted({s for cell in self.cells for s in cell.untrained}))

    def runs(self, side: int) -> tuple[int, int]:
        """Runs of a side that did not train, and all that have an outcome."""
        cells = [cell for cell in self.cells if cell.side == side]
        failed = sum(len(cell.untrained) for cell in cells)
        return failed, failed + sum(len(cell.seeds) for cell in cells)

    @property
    def averages(self) -> frozenset[int]:
        """Which of the nets that are averaged over every side has, but for a side of which no run
        trained; empty where none."""
        return frozenset(cell.average for cell in self._used)

    def error(self, side: int) -> float | None:
        """Mean error of a side's runs that trained, percent: of the nets that every side has, as
        in a contrast; of all of them where there is none."""
        used = self._used or self.cells
        found = [c.error for c in used if c.side == side and c.error is not None]
        return float(np.mean(found)) if found else None

    def difference(self, first: int, second: int) -> Measured | None:
        """One side's error less another's, by their indices; None where one has no run."""
        weights = [0.0] * self.sides
        weights[first], weights[second] = 1.0, -1.0
        return self.contrast(weights)

    def contrast(self, weights: Sequence[float]) -> Measured | None:
        """The weighted sum of the sides' errors; None where one of them has no run that trained.

        Of nets that are averaged over, those count of which every side has runs that trained,
        also the sides that are not in the sum: all parts of a claim are of the same nets.
        """
        used = [cell for cell in self._used if weights[cell.side]]
        if {cell.side for cell in used} < {side for side, weight in enumerate(weights) if weight}:
            return None
        averages = len({cell.average for cell in used})
        weighted = [(cell, weights[cell.side] / averages) for cell in used]
        grouped = _grouped(weighted)
        common = sorted(set.intersection(*(set(cell.seeds) for cell in used)))
        by_seed = _values(weighted, common)
        values = [_values(part, seeds) for part, seeds in grouped]
        if self.images and all(cell.sums_so is not None for cell in used):
            sums = [_sums(part, seeds) for part, seeds in grouped]
            variance, lucks = noise_of_images(sums, self.images, used[0].condensed_from)
            groups = tuple(map(Group, values, lucks))
            return Measured(groups, variance, self.images, paired=True, by_seed=by_seed)
        bound = _image_bound(weighted) / self.images if self.images else 0.0
        groups = tuple(map(Group, values))
        return Measured(groups, bound, self.images, paired=False, by_seed=by_seed)

    def condensed(self) -> Paired:
        """The same in fewer numbers, for many contrasts: none of them comes out otherwise.

        The noise of a contrast hangs on the inner products of what the images add to each run. A
        rotation keeps them, and so many runs have no more than so many directions.
        """
        rows = [cell.sums_so for cell in self.cells if cell.sums_so is not None]
        if len(rows) < len(self.cells) or sum(map(len, rows)) >= rows[0].shape[-1]:
            return self
        few = np.transpose(np.asarray(np.linalg.qr(np.concatenate(rows).T, mode="r")))
        starts = np.cumsum([len(row) for row in rows])[:-1]
        return dataclasses.replace(
            self,
            cells=tuple(
                dataclasses.replace(cell, sums_so=part, condensed_from=rows[0].shape[-1])
                for cell, part in zip(self.cells, np.split(few, starts), strict=True)
            ),
        )

    @cached_property
    def _used(self) -> list[Cell]:
        """Cells of nets that every side has, with two seeds or, where none has two, with one; a
        side of which no run trained has none."""
        sides = sorted({cell.side for cell in self.cells if cell.seeds})
        for least in (2, 1) if sides else ():
            averages = [
                {c.average for c in self.cells if c.side == side and len(c.seeds) >= least}
                for side in sides
            ]
            if common := set.intersection(*averages):
                return [c for c in self.cells if c.side in sides and c.average in common]
        return []


_Weighted = list[tuple[Cell, float]]


def _image_bound(weighted: _Weighted) -> float:
    """Most that one test image can vary in a contrast, points^2, where no run tells which it got
    wrong.

    Nets that are added up are wrong on the same images at the worst, so that their deviations add
    up; those on the two sides of a difference are at the worst tested on images of their own.
    """
    deviations = [(w, math.sqrt(e * (100 - e))) for c, w in weighted for e in [c.errors_s.mean()]]
    return sum(math.fsum(w * d for w, d in deviations if w * s > 0) ** 2 for s in (1, -1))


def _grouped(weighted: _Weighted) -> list[tuple[_Weighted, list[int]]]:
    """Cells that are paired, with the seeds that they share: nets of equal first weights. Those of
    a side are by themselves where the sides share few seeds, and each cell where these do."""
    found: list[tuple[_Weighted, list[int]]] = []
    for part in _by(weighted, lambda cell: cell.weights):
        if seeds := _shared_by(part):
            found.append((part, seeds))
            continue
        for own in _by(part, lambda cell: cell.side):
            if seeds := _shared_by(own):
                found.append((own, seeds))
            else:
                found += [([(cell, weight)], list(cell.seeds)) for cell, weight in own]
    return found


def _by(weighted: _Weighted, key: Callable[[Cell], Hashable]) -> list[_Weighted]:
    groups: dict[Hashable, _Weighted] = {}
    for cell, weight in weighted:
        groups.setdefault(key(cell), []).append((cell, weight))
    return list(groups.values())


def _shared_by(part: _Weighted) -> list[int]:
    """The seeds by which cells are paired; none where they were asked to share fewer than half of
    their seeds, or trained with too few of those."""
    shared = set.intersection(*(set(cell.seeds) for cell, _ in part))
    asked = [{*cell.seeds, *cell.untrained} for cell, _ in part]
    are_pairs = 2 * len(set.intersection(*asked)) >= max(map(len, asked))
    is_enough = len(shared) >= min(2, *(len(cell.seeds) for cell, _ in part))
    return sorted(shared) if are_pairs and is_enough else []


def _values(weighted: _Weighted, seeds: Sequence[int]) -> tuple[float, ...]:
    """The weighted sum of cells' errors under each of these seeds, percentage points."""
    parts = [weight * cell.errors_s[_rows(cell, seeds)] for cell, weight in weighted]
    return tuple(float(value) for value in np.sum(parts, axis=0))


def _sums(weighted: _Weighted, seeds: Sequence[int]) -> NDArray[np.float64]:
    """The same of what each original adds: (seeds, originals)."""
    parts = [w * c.sums_so[_rows(c, seeds)] for c, w in weighted if c.sums_so is not None]
    return np.asarray(np.sum(parts, axis=0))


def _rows(cell: Cell, seeds: Sequence[int]) -> list[int]:
    return [cell.seeds.index(seed) for seed in seeds]


def pair(comparison: Comparison, reader: MistakesReader) -> Paired:
    """The errors that the tests of a comparison are computed from."""
    metric = comparison.claim.metric
    nets = [
        (side, average, place, net)
        for place, side in enumerate(comparison.sides)
        for average, net in enumerate(side.nets)
    ]
    trained = [
        {s: p for s, p in net.items() if has_trained(p, side, metric)} for side, _, _, net in nets
    ]
    k = TOP_K[metric]
    sums, images = image_sums(
        [
            _mistakes(reader, [points[s] for s in sorted(points)], side, k)
            for (side, *_), points in zip(nets, trained, strict=True)
        ]
    )
    cells = tuple(
        Cell(
            side=place,
            average=average,
            weights=_first_weights(next(iter(net.values())).config) if net else place,
            seeds=tuple(sorted(points)),
            untrained=tuple(
                sorted(s for s, p in net.items() if s not in points and _is_over(p, side, metric))
            ),
            errors_s=np.array([error_of(points[s], side, metric) for s in sorted(points)], float),
            sums_so=sums_so,
        )
        for (side, average, place, net), points, sums_so in zip(nets, trained, sums, strict=True)
    )
    waiting = {
        seed
        for side, _, _, net in nets
        for seed, point in net.items()
        if not _is_over(point, side, metric)
    }
    return Paired(
        cells=cells,
        sides=len(comparison.sides),
        waiting=tuple(sorted(waiting)),
        places=places_of(comparison.claim, comparison.sides),
        images=images or _images_tested(comparison),
    )


def error_of(point: Point, side: Side, metric: Metric) -> float | None:
    """The error that a point reached under its side's protocol.

    Args:
        point: of the side.
        side: names the protocol.
        metric: error that the claim is about.

    Returns:
        Percent; None where the point has not finished, or was not tested so.
    """
    if point.state is not State.FINISHED:
        return None
    return _errors(point, side).get(metric)


def has_trained(point: Point, side: Side, metric: Metric) -> bool:
    """Whether a run's error counts: it finished, was tested, and does better than guessing.

    Args:
        point: of the side.
        side: names the protocol.
        metric: error that the claim is about.
    """
    error = error_of(point, side, metric)
    return error is not None and not is_guessing(error, point.config.data.classes, TOP_K[metric])


def _is_over(point: Point, side: Side, metric: Metric) -> bool:
    return point.state in UNTRAINED or error_of(point, side, metric) is not None


def _errors(point: Point, side: Side) -> ProtocolErrors:
    """The errors of a point under its side's protocol; empty where it was not tested under it."""
    return point.result.get("errors", {}).get(side.protocol, {})


def _first_weights(config: Config) -> Hashable:
    """What decides the shapes of a net's first weights: LRN and normalisation do not."""
    net, width = config.model.net, config.model.width
    layers = tuple(
        dataclasses.replace(layer, lrn=False) if isinstance(layer, Conv) else layer
        for layer in net.layers
    )
    return width, layers, net.hidden


def _images_tested(comparison: Comparison) -> int | None:
    """Fewest test images of any run, as ``result.json`` says."""
    counts = [
        _errors(point, side).get("images")
        for side in comparison.sides
        for net in side.nets
        for point in net.values()
    ]
    return min((count for count in counts if count), default=None)


def _mistakes(
    reader: MistakesReader, points: Sequence[Point], side: Side, k: int
) -> Iterator[Mistakes | None]:
    """Read one by one: the first that does not tell is the last that is read."""
    for point in points:
        yield (reader.mistakes(point, side.protocol, k) if isinstance(point, RunRecord) else None)


def image_sums(
    rows: Sequence[Iterable[Mistakes | None]],
) -> tuple[list[NDArray[np.float64] | None], int | None]:
    """What each test image adds to the errors, where all runs tell, of the same images.

    Args:
        rows: for each net its runs, seeds ascending; None for one that does not tell.

    Returns:
        For each net (seeds, originals), as ``sums_of_originals`` makes them, None for one without a
        run; and the number of test images. None for all unless every run tells.
    """
    reference: Mistakes | None = None
    found: list[list[Mistakes]] = []
    for row in rows:
        found.append([])
        for mistakes in row:
            if mistakes is None or (reference and not reference.same_images(mistakes)):
                return [None] * len(rows), None
            if reference is None or not reference.tells_originals:
                reference = mistakes
            found[-1].append(mistakes)
    if reference is None:
        return [None] * len(rows), None
    _, original_n = np.unique(reference.original_n, return_inverse=True)
    sums = [
        sums_of_originals(100.0 * np.array([m.wrong_n for m in row]), original_n) if row else None
        for row in found
    ]
    return sums, len(reference.wrong_n)
