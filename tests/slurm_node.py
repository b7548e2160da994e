"""A real SLURM of one node for tests: Debian's slurm-wlm and munge, in a folder of their own.

    python tests/slurm_node.py install          apt-get, as root
    python tests/slurm_node.py start FOLDER     prints the variables to export
    python tests/slurm_node.py stop FOLDER      by the process ids in FOLDER alone

It never touches a SLURM that is already there: its configuration, sockets, ports, keys, logs and
process ids are in FOLDER, which /etc/slurm and /run never see, and it refuses to start where a
cluster is configured.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("slurmd", "slurmctld", "munged")
"""In the order in which they are stopped."""
CPUS = 4
"""That SLURM believes in, so that two jobs of two processes run at a time on any machine."""

CONFIGURATION = """\
ClusterName=vgglab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
ReturnToService=2
KillWait=20
SlurmctldPort={slurmctld_port}
SlurmdPort={slurmd_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """The reason why a SLURM of our own cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root"
    if Path("/etc/slurm/slurm.conf").exists() or "SLURM_CONF" in os.environ:
        return "a SLURM is configured here already, and is left alone"
    missing = [
        name for name in (*DAEMONS, "sbatch", "srun") if shutil.which(name, path=_path()) is None
    ]
    return f"{', '.join(missing)} not installed (tests/slurm_node.py install)" if missing else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def install() -> None:
    """Debian's packages, without starting their services."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)


def start(folder: Path) -> dict[str, str]:
    """Start the daemons; the variables with which clients find them.

    Raises:
        RuntimeError: a daemon did not come up; its log's last lines are in the message.
    """
    if reason := why_not():
        raise RuntimeError(reason)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            slurmctld_port=ports[0],
            slurmd_port=ports[1],
            cpus=CPUS,
        )
    )
    variables = {"SLURM_CONF": str(configuration), "PATH": _path()}
    environment = os.environ | variables
    _start_munge(folder, environment)
    for daemon in ("slurmctld", "slurmd"):
        subprocess.run([daemon], check=True, env=environment)
    _wait_until_idle(folder, environment)
    return variables


def _start_munge(folder: Path, environment: dict[str, str]) -> None:
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    files = {
        "key-file": key,
        "socket": folder / "munge.socket",
        "pid-file": folder / "munged.pid",
        "log-file": folder / "munged.log",
        "seed-file": folder / "munged.seed",
    }
    options = [f"--{name}={path}" for name, path in files.items()]
    subprocess.run(["munged", "--force", *options], check=True, env=environment)


def _wait_until_idle(folder: Path, environment: dict[str, str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    state = ""
    while time.monotonic() < deadline:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--format", "%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        state = asked.stdout.strip() or asked.stderr.strip()
        if state == "idle":
            return
        time.sleep(0.5)
    logs = [(folder / f"{name}.log").read_text()[-1500:] for name in ("slurmctld", "slurmd")]
    stop(folder)
    raise RuntimeError("\n".join([f"the node is {state!r}", *logs]))


def stop(folder: Path) -> None:
    """End our daemons, each by the process id that it wrote into its folder."""
    for daemon in DAEMONS:
        file = folder / f"{daemon}.pid"
        if not file.exists():
            continue
        pid = int(file.read_text())
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if _gone(pid, seconds=15):
                break


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    elif len(sys.argv) == 3 and sys.argv[1] == "start":
        for variable, value in start(Path(sys.argv[2]).resolve()).items():
            print(f"export {variable}={value}")
    elif len(sys.argv) == 3 and sys.argv[1] == "stop":
        stop(Path(sys.argv[2]).resolve())
    else:
        sys.exit(__doc__)
