"""Identity, directory, status, locks and ledger of runs. Knows no model and no W&B."""

from vgglab.runs.directory import RunDirectory
from vgglab.runs.identity import arm_name, content_hash, readable_name, run_id
from vgglab.runs.metrics import MetricsLog, Record, read_metrics
from vgglab.runs.records import (
    Certificate,
    Result,
    RunRecord,
    load_run,
    load_runs,
    read_config,
    read_result,
    write_result,
)
from vgglab.runs.status import Place, State, Status

__all__ = [
    "Certificate",
    "MetricsLog",
    "Place",
    "Record",
    "Result",
    "RunDirectory",
    "RunRecord",
    "State",
    "Status",
    "arm_name",
    "content_hash",
    "load_run",
    "load_runs",
    "read_config",
    "read_metrics",
    "read_result",
    "readable_name",
    "run_id",
    "write_result",
]
