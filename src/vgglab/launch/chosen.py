"""What a sweeper that chooses its points, such as Optuna's, is told of each of them."""

from __future__ import annotations

from vgglab.runs import RunDirectory, State
from vgglab.runs.records import read_result

failed: set[str] = set()
"""Points without a result. A sweeper may go on without them; the exit code still tells of them."""


class PointFailed(Exception):
    """A point failed or was interrupted: there is no error that the sweeper could be told."""

    code = 1
    """Exit code of the command where the sweeper does not go on without it."""


def lowest_validation_error(directory: RunDirectory, classes: int) -> float:
    """The top-1 error that a sweeper minimises, percent, of a run that has an outcome.

    Args:
        directory: of the run.
        classes: of its data.

    Returns:
        The lowest over the run's epochs; that of guessing where it diverged or was untrainable.
    """
    if directory.read_status().state is not State.FINISHED:
        return 100 * (1 - 1 / classes)
    return read_result(directory)["validation"]["best_top1_error"]
