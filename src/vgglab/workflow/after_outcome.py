"""What is left to do for a run that has an outcome, and its line on the screen."""

from __future__ import annotations

import os

from vgglab.config import Config
from vgglab.runs import RunDirectory, State, Status
from vgglab.runs.records import read_result
from vgglab.workflow.evaluation import catch_up, skipped_note, untested


def complete(config: Config, directory: RunDirectory, status: Status) -> None:
    """Make the tests that are missing, tell a W&B agent of the run, and say what came out.

    Args:
        config: of the run, resolved; its tests are those that the run is to have.
        directory: of the run, which the caller has claimed.
        status: of the run.

    Raises:
        DataError: its images or its weights are gone.
    """
    if status.state is State.FINISHED and (todo := untested(config, directory)):
        labels = ", ".join(procedure.label for procedure in todo)
        print(f"{directory.id}: trained; testing under {labels}", flush=True)
        catch_up(config, directory)
    if waits_for_online_run(config):
        # Imported only here: most commands do without W&B.
        from vgglab.workflow.wandb_cards import replay

        replay(config, directory, status)
    print(f"{directory.id}: already {status.state}; {summary_line(directory)}")


def waits_for_online_run(config: Config) -> bool:
    """Whether a W&B sweep's agent started this process and wants to see a run of its own."""
    return "WANDB_SWEEP_ID" in os.environ and config.tracking.mode == "online"


def summary_line(directory: RunDirectory) -> str:
    """The errors of a run, or why it has none, in a few words, and where it is."""
    result = read_result(directory)
    errors = ", ".join(
        f"{protocol} top-1 error {values['top1_error']:.2f}%"
        for protocol, values in result["errors"].items()
    )
    said = errors or result["trainability"]["reason"]
    if note := skipped_note(result):
        said += f" ({note})"
    return f"{said} ({directory.path})"


def end_line(directory: RunDirectory) -> str:
    """A run's name, its state and ``summary_line``."""
    state = Status.read(directory.status).state
    return f"{directory.id}: {state}; {summary_line(directory)}"
