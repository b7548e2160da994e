"""Why a run failed, in words that say what to do."""

from __future__ import annotations

import contextlib

from vgglab.config import Config
from vgglab.memory import is_out_of_memory
from vgglab.privacy import for_others
from vgglab.runs import RunDirectory, Status
from vgglab.runs.writable import FULL
from vgglab.workflow.micro_batch import advice


def reason_of(error: BaseException, config: Config) -> str:
    """For ``status.json``, ledger and report: one line, without the home folder and passwords."""
    return for_others(_reason(error, config))


def _reason(error: BaseException, config: Config) -> str:
    if is_full_disk(error):
        assert isinstance(error, OSError)
        return f"no space left: {error.filename or 'writing'}; the same command goes on from here"
    if is_out_of_memory(error):
        return f"out of memory; {advice(config)}"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def is_full_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def write_last_words(status: Status, directory: RunDirectory) -> None:
    """Write the status of a run that has ended, also where the disk is full."""
    try:
        status.write(directory.status)
    except OSError as error:
        if not is_full_disk(error):
            raise
        # last.ckpt is whole, and it is what the run goes on from.
        with contextlib.suppress(FileNotFoundError):
            directory.previous_checkpoint.unlink()
        try:
            status.write(directory.status)
        except OSError as again:
            if not is_full_disk(again):
                raise
            status.write_over(directory.status)
