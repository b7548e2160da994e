"""A question's errors, paired by seed and by test image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgglab.config.claims import Metric
from vgglab.runs import RunRecord, State
from vgglab.runs.records import ProtocolErrors
from vgglab.study.claims.contrast import Measured, image_variance
from vgglab.study.claims.mistakes import Images, Wrong
from vgglab.study.claims.questions import UNTRAINED, Point, Question, Side, state_of

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
    """Of each of ``seeds``: whether every net learned."""
    errors_ks: NDArray[np.float64]
    """(sides, seeds), mean over the nets that are averaged over."""
    images_ksi: NDArray[np.float32] | None
    """(sides, seeds, images): the same for each image; None where predictions are lacking."""
    images: int | None

    def contrast(self, weights: Sequence[float], *, trained_only: bool = False) -> Measured | None:
        """The weighted sum of the sides' errors; None without a seed."""
        chosen = [i for i, t in enumerate(self.trained) if t or not trained_only]
        if not chosen:
            return None
        weights_k = np.asarray(weights, dtype=np.float64)
        by_seed = tuple(float(v) for v in weights_k @ self.errors_ks[:, chosen])
        if self.images_ksi is not None:
            per_image = np.tensordot(weights_k, self.images_ksi[:, chosen], axes=1)
            return Measured(by_seed, float(image_variance(per_image)), self.images, paired=True)
        bound = 0.0
        if self.images:
            # As if the sides were tested on images of their own: no pair can vary more.
            error_k = self.errors_ks[:, chosen].mean(axis=1)
            bound = float((weights_k**2 * error_k * (100 - error_k)).sum() / self.images)
        return Measured(by_seed, bound, self.images, paired=False)


def pair(question: Question, images: Images) -> Paired:
    """Everything that a question's tests are computed from."""
    metric = question.claim.metric
    nets = [(side, net) for side in question.sides for net in side.nets]
    everywhere = set.intersection(*(set(net) for _, net in nets))
    anywhere = set.union(*(set(net) for _, net in nets))
    complete = tuple(
        s for s in sorted(everywhere) if all(_has_outcome(n[s], d, metric) for d, n in nets)
    )
    guess = _guessing(question)
    errors = [[_mean(side, s, metric, guess) for s in complete] for side in question.sides]
    per_image = _per_image(question.sides, complete, metric, guess, images)
    return Paired(
        seeds=complete,
        waiting=tuple(sorted(everywhere - set(complete))),
        unpaired=tuple(sorted(anywhere - everywhere)),
        trained=tuple(all(state_of(n[s]) not in UNTRAINED for _, n in nets) for s in complete),
        errors_ks=np.asarray(errors, dtype=np.float64).reshape(len(question.sides), len(complete)),
        images_ksi=per_image,
        images=per_image.shape[-1] if per_image is not None else _images_tested(question),
    )


def error_of(point: Point, side: Side, metric: Metric) -> float | None:
    """What a run that finished reached, percent."""
    if state_of(point) is not State.FINISHED or not isinstance(point, RunRecord):
        return None
    return _errors(point, side).get(metric)


def _has_outcome(point: Point, side: Side, metric: Metric) -> bool:
    return state_of(point) in UNTRAINED or error_of(point, side, metric) is not None


def _mean(side: Side, seed: int, metric: Metric, guess: float) -> float:
    """Over the nets that are averaged over."""
    found = [error_of(net[seed], side, metric) for net in side.nets]
    return float(np.mean([guess if error is None else error for error in found]))


def _errors(run: RunRecord, side: Side) -> ProtocolErrors:
    """The errors of a run under a side's protocol; empty where it was not tested under it."""
    return run.result.get("errors", {}).get(side.protocol, {})


def _guessing(question: Question) -> float:
    """Error of guessing among all classes, percent."""
    k, classes = TOP_K[question.claim.metric], question.points[0].config.data.classes
    return 100.0 * (1 - min(k, classes) / classes)


def _wrong(point: Point, side: Side, k: int, images: Images) -> Wrong | None:
    return images.wrong(point, side.protocol, k) if isinstance(point, RunRecord) else None


def _images_tested(question: Question) -> int | None:
    """Fewest test images of any run, as ``result.json`` says."""
    counts = [
        _errors(point, side).get("images")
        for side in question.sides
        for net in side.nets
        for point in net.values()
        if isinstance(point, RunRecord)
    ]
    return min((count for count in counts if count), default=None)


def _per_image(
    sides: Sequence[Side], seeds: Sequence[int], metric: Metric, guess: float, images: Images
) -> NDArray[np.float32] | None:
    """(sides, seeds, images), percent; None unless all runs tell, of the same images."""
    k = TOP_K[metric]
    reference: Wrong | None = None
    per_side: list[list[list[Wrong | None]]] = []
    for side in sides:
        per_seed: list[list[Wrong | None]] = []
        for seed in seeds:
            row: list[Wrong | None] = []
            for net in side.nets:
                if state_of(net[seed]) in UNTRAINED:
                    row.append(None)
                    continue
                wrong = _wrong(net[seed], side, k, images)
                if wrong is None or (reference and not _same_images(reference, wrong)):
                    return None
                reference = reference or wrong
                row.append(wrong)
            per_seed.append(row)
        per_side.append(per_seed)
    if reference is None:
        return None
    guessed = np.full(len(reference.wrong_n), guess, dtype=np.float32)
    return np.stack(
        [
            np.stack(
                [
                    np.mean([guessed if w is None else 100 * w.wrong_n for w in row], axis=0)
                    for row in per_seed
                ]
            )
            for per_seed in per_side
        ]
    ).astype(np.float32)


def _same_images(one: Wrong, other: Wrong) -> bool:
    return np.array_equal(one.index_n, other.index_n) and np.array_equal(one.label_n, other.label_n)
