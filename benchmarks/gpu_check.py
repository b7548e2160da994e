"""All that one GPU can show of this checkout, in one command and a few minutes.

    python benchmarks/gpu_check.py --out DIR                 on a machine with an NVIDIA GPU
    python benchmarks/gpu_check.py --out DIR --small         the same in small, on a CPU
    python benchmarks/gpu_check.py --out DIR --parts step lrn
    python benchmarks/gpu_check.py --out DIR --budget 320    later parts are left out, and named

Every part is a process of its own with a limit of its own; one that fails leaves the others alone.
Parts that are timed have the machine to themselves, the others share it. ``DIR`` gets
``results.jsonl`` (a line a row and one a part), ``table.md``, ``logs.txt`` and ``trace.json.gz``,
written anew whenever a part ends. Exit code 1 where a part failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu.tables import tables_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
POLL_SECONDS = 0.1
BUDGET_SECONDS = 320.0
LOG_LINES = 60
"""Of a log, from its end, and from the beginning of its last traceback."""
SMALL_PATIENCE = 4
"""Limits in small are so many times as long: a CPU has few cores, and others on them."""
TESTS = (
    "tests/training/test_gpu.py",
    "tests/training/test_switches.py",
    "tests/models/kernels/test_kernels_lrn.py",
    "tests/models/kernels/test_lrn_triton.py",
    "tests/models/kernels/test_conv_relu.py",
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that is shown."""

    name: str
    what: str
    command: tuple[str, ...]
    """Arguments of Python; ``{work}`` and ``{out}`` stand for the folders."""
    limit: float
    """Seconds."""
    is_alone: bool = True
    """Whether it is timed; neighbours in the table that are not run at the same time."""
    is_json: bool = True
    """Whether its output is a JSON line a row; other output goes to the log."""


def parts_of(*, small: bool) -> tuple[Part, ...]:
    """The parts in their order, which is that of their worth where the budget is short."""
    device = ("--device", "cpu", "--small") if small else ("--device", "cuda")

    def module(name: str, *arguments: str) -> tuple[str, ...]:
        return ("-m", f"gpu.{name}", *arguments, *device)

    def script(name: str, *arguments: str) -> tuple[str, ...]:
        return (str(HERE / f"{name}.py"), "--json", *arguments, *device)

    together: dict[str, Any] = {"is_alone": False}
    return (
        Part(
            name="environment",
            what="machine, drivers, versions",
            command=module("environment"),
            limit=60,
            **together,
        ),
        Part(
            name="tests",
            what="tests marked gpu",
            command=module("marked_tests", *TESTS),
            limit=170,  # beside parts that compile they have taken longer than that
        ),
        Part(
            name="compile",
            what="set-up of compiled steps from an empty cache, four processes at a time",
            command=module("compile_first"),
            limit=110,
            **together,
        ),
        Part(
            name="nccl",
            what="one process through the DDP path",
            command=module("one_rank", "{work}/nccl"),
            limit=100,
            **together,
        ),
        Part(
            name="step",
            what="a step of D at 224 px, bf16; of A-LRN and A; the kernels of ours",
            command=module("step_table", "--rows", "worth"),
            limit=150,
        ),
        Part(
            name="lrn",
            what="LRN, both passes, against the memory; a dropout mask on both devices",
            command=script("lrn", "--dtypes", "bf16", "--rounds", "3"),
            limit=40,
        ),
        Part(
            name="fit",
            what="a step of D within a whole run, and bare",
            command=module("fit", "{work}/fit"),
            limit=60,
        ),
        Part(
            name="waits",
            what="where the host waits for the GPU in a real run's steps",
            command=module("waits", "{work}/waits", "--trace", "{out}/trace.json.gz"),
            limit=80,
            **together,
        ),
        Part(
            name="pairs",
            what="two runs of one config: equal to the bit?",
            command=module("pairs", "{work}/pairs"),
            limit=120,
            **together,
        ),
        Part(
            name="plan",
            what="memory that task=plan says, and a finished run's",
            command=module("plan_memory", "{work}/plan"),
            limit=120,
            **together,
        ),
        Part(
            name="study5",
            what="a study of A to E, five points at a time",
            command=module("study_jobs", "{work}/study5", "--jobs", "5"),
            limit=70,
        ),
        Part(
            name="evaluation",
            what="tests of D: centre crops, dense maps, new shapes",
            command=module("testing"),
            limit=45,
        ),
        Part(
            name="step_more",
            what="more batches and ways of the same step",
            command=module("step_table", "--rows", "rest"),
            limit=70,
        ),
        Part(
            name="overhead",
            what="the harness around the step of A at width 1/4, 32 px",
            command=script("overhead", "--rounds", "1", "--only", "raw", "off"),
            limit=60,
        ),
        Part(
            name="candidates",
            what="ways to compute the step of D that ours does not take",
            command=module("candidates", "--ways", "whole", "fused", "padded"),
            limit=120,
        ),
        Part(
            name="study1",
            what="the same study, one point at a time",
            command=module("study_jobs", "{work}/study1", "--jobs", "1"),
            limit=100,
        ),
    )


@dataclass(kw_only=True)
class Ended:
    """A part that is over, or never began."""

    part: Part
    state: str
    """``ok``, ``failed``, ``out of time`` or ``skipped``."""
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""

    def record(self) -> dict[str, Any]:
        """Its own line of ``results.jsonl``."""
        return {"part": self.part.name, "state": self.state, "seconds": round(self.seconds, 1)}


def stages(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Groups of parts that run at the same time."""
    together: list[Part] = []
    for part in parts:
        if part.is_alone and together:
            yield together
            together = []
        if part.is_alone:
            yield [part]
        else:
            together.append(part)
    if together:
        yield together


class Check:
    """Runs parts, and keeps the output folder up to date."""

    def __init__(
        self, out: Path, work: Path, budget: float, title: str = "", *, small: bool = False
    ) -> None:
        """
        Args:
            out: the output folder.
            work: for everything that is thrown away.
            budget: seconds for all parts together.
            title: first line of the table.
            small: one thread a process.
        """
        self._small = small
        self._out, self._work, self._title = out, work, title
        self._begun, self._budget = time.monotonic(), budget
        self.ended: list[Ended] = []
        out.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)

    @property
    def _left(self) -> float:
        return self._budget - (time.monotonic() - self._begun)

    def run(self, parts: Sequence[Part]) -> bool:
        """Run all parts; whether none failed."""
        for stage in stages(parts):
            if self._left < 5:
                for part in stage:
                    self._note(Ended(part=part, state="skipped"))
            else:
                self._run_stage(stage)
        return all(ended.state in ("ok", "skipped") for ended in self.ended)

    def _run_stage(self, stage: Sequence[Part]) -> None:
        begun = time.monotonic()
        running = {part.name: (part, self._start(part)) for part in stage}
        limits = {part.name: part.limit * (SMALL_PATIENCE if self._small else 1) for part in stage}
        deadlines = {name: begun + min(limit, self._left) for name, limit in limits.items()}
        try:
            while running:
                time.sleep(POLL_SECONDS)
                for name, (part, process) in list(running.items()):
                    code = process.poll()
                    if code is None and time.monotonic() < deadlines[name]:
                        continue
                    del running[name]
                    kill_group(process)  # also what a part has left behind
                    state = "out of time" if code is None else "failed" if code else "ok"
                    self._note(self._collect(part, state, time.monotonic() - begun))
        finally:
            for _, process in running.values():
                kill_group(process)

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        places = {"{work}": str(self._work), "{out}": str(self._out)}
        command = list(part.command)
        for name, path in places.items():
            command = [word.replace(name, path) for word in command]
        with self._output(part).open("wb") as output, self._log(part).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment(self._work, small=self._small),
                stdin=subprocess.DEVNULL,
                stdout=output if part.is_json else log,
                stderr=log,
                start_new_session=True,
            )

    def _output(self, part: Part) -> Path:
        return self._work / f"{part.name}.jsonl"

    def _log(self, part: Part) -> Path:
        return self._work / f"{part.name}.log"

    def _collect(self, part: Part, state: str, seconds: float) -> Ended:
        rows, other = [], []
        for line in self._output(part).read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                other.append(line)
        log = self._log(part).read_text(encoding="utf-8", errors="replace").splitlines()
        kept = "\n".join([*other[-LOG_LINES:], *shortened(log)])
        return Ended(part=part, state=state, seconds=seconds, rows=rows, log=kept)

    def _note(self, ended: Ended) -> None:
        self.ended.append(ended)
        print(f"[{time.monotonic() - self._begun:3.0f} s] {ended.part.name}: ", end="")
        print(f"{ended.state}, {ended.seconds:.0f} s, {len(ended.rows)} rows", flush=True)
        if ended.state in ("failed", "out of time"):
            print("    " + "\n    ".join(ended.log.splitlines()[-6:]), flush=True)
        self._write()

    def table(self) -> str:
        """Everything that was found, for a reader."""
        found = {ended.part.name: ended.rows for ended in self.ended}
        heads = {ended.part.name: ended.part.what for ended in self.ended}
        states = [ended.record() for ended in self.ended]
        return f"{self._title}\n\n" + tables_of(found, heads, states)

    def _write(self) -> None:
        lines = [
            json.dumps(row)
            for ended in self.ended
            for row in (*({"part": ended.part.name} | r for r in ended.rows), ended.record())
        ]
        logs = [f"== {e.part.name}: {e.state}\n{e.log}\n" for e in self.ended]
        for name, text in (
            ("results.jsonl", "\n".join(lines) + "\n"),
            ("logs.txt", "\n".join(logs)),
            ("table.md", self.table() + "\n"),
        ):
            (self._out / name).write_text(text, encoding="utf-8")


def shortened(lines: Sequence[str]) -> list[str]:
    """The end of a log, and before it the beginning of its last traceback."""
    tail = max(0, len(lines) - LOG_LINES)
    heads = [number for number, line in enumerate(lines[:tail]) if "Traceback (most" in line]
    first = heads[-1] if heads else tail
    head = lines[first : min(tail, first + LOG_LINES)]
    left_out = tail - first - len(head)
    return [*head, *([f"... {left_out} lines ..."] if left_out else []), *lines[tail:]]


def environment(work: Path, *, small: bool) -> dict[str, str]:
    """Variables of a part: this checkout first, and a cache of compiled kernels of its own."""
    folders = [str(ROOT / "src"), str(ROOT / "tests"), str(HERE)]
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    before = [str(ROOT / path) if not Path(path).is_absolute() else path for path in before]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([*folders, *before]),
        "PYTHONUNBUFFERED": "1",
        "WANDB_SILENT": "true",
        "TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"),
        # Several processes compile at a time; each would take all cores.
        "TORCHINDUCTOR_COMPILE_THREADS": "4",
        "TMPDIR": str(work),
        **({"OMP_NUM_THREADS": "1"} if small else {}),
    }


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a part and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Run the parts and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="every part in small, on a CPU")
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, metavar="SECONDS")
    known = [part.name for part in parts_of(small=False)]
    parser.add_argument("--parts", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--work", type=Path, help="keep what parts write, here")
    options = parser.parse_args()
    parts = [part for part in parts_of(small=options.small) if part.name in options.parts]
    work = options.work or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    form = "small form on a CPU: no figure here means anything" if options.small else "one GPU"
    title = f"# gpu-check, {time.strftime('%Y-%m-%d %H:%M')}, {form}"
    check = Check(options.out.resolve(), work.resolve(), options.budget, title, small=options.small)
    try:
        is_well = check.run(parts)
    finally:
        print("\n" + check.table(), flush=True)
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
