"""The errors of a comparison, paired by seed and by test image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vgglab.config.claims import Metric
from vgglab.runs import RunRecord, State
from vgglab.runs.records import ProtocolErrors
from vgglab.study.claims.comparisons import UNTRAINED, Comparison, Point, Side
from vgglab.study.claims.contrast import Measured, image_variance
from vgglab.study.claims.mistakes import Mistakes, MistakesReader

TOP_K: dict[Metric, int] = {"top1_error": 1, "top5_error": 5}


@dataclass(frozen=True)
class Paired:
    """Errors of the seeds that have an outcome on every side, percent.

    A net that diverged or was untrainable enters with the error of guessing: it is what it would
    answer, and leaving it out would compare the lucky seeds only.
    """

    seeds: tuple[int, ...]
    waiting: tuple[int, ...]
    """Seeds of which a run has no outcome, or no error under the protocol."""
    unpaired: tuple[int, ...]
    """Seeds that not every side was asked for."""
    trained: tuple[bool, ...]
    """Whether every net learned with this seed, in the order of ``seeds``."""
    errors_ks: NDArray[np.float64]
    """(sides, seeds), mean over the nets that are averaged over."""
    images_ksi: NDArray[np.float32] | None
    """(sides, seeds, images): the same for each image; None where predictions are lacking."""
    images: int | None
    """Test images that the errors are over; None where that is not known."""

    @property
    def sides(self) -> int:
        return len(self.errors_ks)

    def among_trained(self) -> Paired:
        """The seeds in which every net learned."""
        chosen = [i for i, trained in enumerate(self.trained) if trained]
        return replace(
            self,
            seeds=tuple(self.seeds[i] for i in chosen),
            trained=(True,) * len(chosen),
            errors_ks=self.errors_ks[:, chosen],
            images_ksi=None if self.images_ksi is None else self.images_ksi[:, chosen],
        )

    def difference(self, first: int, second: int) -> Measured | None:
        """One side's error less another's, by their indices; None without a seed."""
        weights = [0.0] * self.sides
        weights[first], weights[second] = 1.0, -1.0
        return self.contrast(weights)

    def contrast(self, weights: Sequence[float]) -> Measured | None:
        """The weighted sum of the sides' errors; None without a seed."""
        if not self.seeds:
            return None
        weights_k = np.asarray(weights, dtype=np.float64)
        by_seed = tuple(float(v) for v in weights_k @ self.errors_ks)
        if self.images_ksi is not None:
            per_image = np.tensordot(weights_k, self.images_ksi, axes=1)
            return Measured(by_seed, float(image_variance(per_image)), self.images, paired=True)
        bound = 0.0
        if self.images:
            # As if the sides were tested on images of their own: no pair can vary more.
            error_k = self.errors_ks.mean(axis=1)
            bound = float((weights_k**2 * error_k * (100 - error_k)).sum() / self.images)
        return Measured(by_seed, bound, self.images, paired=False)


def pair(comparison: Comparison, reader: MistakesReader) -> Paired:
    """Pair the errors that the tests of a comparison are computed from."""
    metric = comparison.claim.metric
    nets = [(side, net) for side in comparison.sides for net in side.nets]
    everywhere = set.intersection(*(set(net) for _, net in nets))
    anywhere = set.union(*(set(net) for _, net in nets))
    complete = tuple(
        s for s in sorted(everywhere) if all(_can_be_compared(n[s], d, metric) for d, n in nets)
    )
    guess = _guessing(comparison)
    errors = [[_mean(side, s, metric, guess) for s in complete] for side in comparison.sides]
    per_image = _per_image(comparison.sides, complete, metric, guess, reader)
    return Paired(
        seeds=complete,
        waiting=tuple(sorted(everywhere - set(complete))),
        unpaired=tuple(sorted(anywhere - everywhere)),
        trained=tuple(all(n[s].state not in UNTRAINED for _, n in nets) for s in complete),
        errors_ks=np.asarray(errors, dtype=np.float64).reshape(
            len(comparison.sides), len(complete)
        ),
        images_ksi=per_image,
        images=per_image.shape[-1] if per_image is not None else _images_tested(comparison),
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


def _can_be_compared(point: Point, side: Side, metric: Metric) -> bool:
    return point.state in UNTRAINED or error_of(point, side, metric) is not None


def _mean(side: Side, seed: int, metric: Metric, guess: float) -> float:
    """A side's error with one seed, percent: the mean over its nets."""
    found = [error_of(net[seed], side, metric) for net in side.nets]
    return float(np.mean([guess if error is None else error for error in found]))


def _errors(point: Point, side: Side) -> ProtocolErrors:
    """The errors of a point under its side's protocol; empty where it was not tested under it."""
    return point.result.get("errors", {}).get(side.protocol, {})


def _guessing(comparison: Comparison) -> float:
    """Error of guessing among all classes, percent."""
    k, classes = TOP_K[comparison.claim.metric], comparison.points[0].config.data.classes
    return 100.0 * (1 - min(k, classes) / classes)


def _mistakes(point: Point, side: Side, k: int, reader: MistakesReader) -> Mistakes | None:
    return reader.mistakes(point, side.protocol, k) if isinstance(point, RunRecord) else None


def _images_tested(comparison: Comparison) -> int | None:
    """Fewest test images of any run, as ``result.json`` says."""
    counts = [
        _errors(point, side).get("images")
        for side in comparison.sides
        for net in side.nets
        for point in net.values()
    ]
    return min((count for count in counts if count), default=None)


def _per_image(
    sides: Sequence[Side],
    seeds: Sequence[int],
    metric: Metric,
    guess: float,
    reader: MistakesReader,
) -> NDArray[np.float32] | None:
    """(sides, seeds, images), percent; None unless all runs tell, of the same images."""
    k = TOP_K[metric]
    reference: Mistakes | None = None
    per_side: list[list[list[Mistakes | None]]] = []
    for side in sides:
        per_seed: list[list[Mistakes | None]] = []
        for seed in seeds:
            row: list[Mistakes | None] = []
            for net in side.nets:
                if net[seed].state in UNTRAINED:
                    row.append(None)
                    continue
                mistakes = _mistakes(net[seed], side, k, reader)
                if mistakes is None or (reference and not reference.same_images(mistakes)):
                    return None
                reference = reference or mistakes
                row.append(mistakes)
            per_seed.append(row)
        per_side.append(per_seed)
    if reference is None:
        return None
    guessed = np.full(len(reference.wrong_n), guess, dtype=np.float32)
    return np.stack(
        [
            np.stack(
                [
                    np.mean([guessed if m is None else 100 * m.wrong_n for m in row], axis=0)
                    for row in per_seed
                ]
            )
            for per_seed in per_side
        ]
    ).astype(np.float32)
