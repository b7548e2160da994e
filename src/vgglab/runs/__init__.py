"""A run on disk: its identity, its directory, its status, its lock and its stored files.

Must not know torch, how nets are built or trained, studies, or W&B.
"""

from vgglab.runs.arm import arm_name
from vgglab.runs.directory import RunDirectory
from vgglab.runs.identity import arm_hash, content_hash, net_name, run_id
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
    "arm_hash",
    "arm_name",
    "content_hash",
    "load_run",
    "load_runs",
    "net_name",
    "read_config",
    "read_metrics",
    "read_result",
    "run_id",
    "write_result",
]
