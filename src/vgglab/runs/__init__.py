"""Identity, directory, status, locks and ledger of runs. Knows no model and no W&B."""

from vgglab.runs.directory import RunDirectory
from vgglab.runs.identity import arm_name, content_hash, readable_name, run_id
from vgglab.runs.metrics import MetricsLog, Record, read_metrics
from vgglab.runs.records import RunRecord, load_run, load_runs
from vgglab.runs.status import Place, State, Status

__all__ = [
    "MetricsLog",
    "Place",
    "Record",
    "RunDirectory",
    "RunRecord",
    "State",
    "Status",
    "arm_name",
    "content_hash",
    "load_run",
    "load_runs",
    "read_metrics",
    "readable_name",
    "run_id",
]
