"""What a sweeper that chooses its points, such as Optuna's, is told of each of them."""

from __future__ import annotations

failed: set[str] = set()
"""Points without a result. A sweeper may go on without them; the exit code still tells of them."""


class PointFailed(Exception):
    """A point failed or was interrupted: there is no error that the sweeper could be told."""

    code = 1
    """Exit code of the command where the sweeper does not go on without it."""
