"""``python run.py ...`` without waiting for its imports: each command is a fork of a process that
has them, and is otherwise alone. For commands that end before anything is trained."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from running import ROOT, command_environment


def serve() -> None:
    """Fork a process for each line of standard input: ``[folder, out, err, overrides]``.

    Answers each with a line that holds the exit code.
    """
    from vgglab.commands.main import main

    for line in sys.stdin:
        folder, out, err, overrides = json.loads(line)
        child = os.fork()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        os.chdir(folder)
        for path, descriptor in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = [str(ROOT / "run.py"), *overrides]
        try:
            main(ROOT)
        except SystemExit as ended:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(ended.code or 0))


class WarmCommand:
    """Starts commands as ``serve`` does."""

    def __init__(self, process: subprocess.Popen[str], scratch: Path) -> None:
        self._process, self._scratch = process, scratch

    def __call__(self, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder to its end."""
        out, err = self._scratch / "out", self._scratch / "err"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), str(out), str(err), overrides]), file=self._process.stdin)
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        said, complained = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        return subprocess.CompletedProcess(list(overrides), code, said, complained)


@contextlib.contextmanager
def warm_command(scratch: Path) -> Iterator[WarmCommand]:
    """A server of commands, until the context ends."""
    # What is on the path already stays: a worktree may share the environment of another checkout.
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        [sys.executable, __file__],
        env=command_environment() | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield WarmCommand(process, scratch)
        assert process.stdin is not None
        process.stdin.close()


if __name__ == "__main__":
    serve()
