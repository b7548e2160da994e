"""``task=sync``: upload what was tracked offline, and say what was."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from vgglab.config import Config, TrackingConfig
from vgglab.config.parse import ConfigError
from vgglab.privacy import without_secrets
from vgglab.report.wording import plural
from vgglab.runs import RunDirectory, State
from vgglab.runs.disk import bytes_of
from vgglab.study import StudyView
from vgglab.tracking import server
from vgglab.tracking.local_files import (
    is_incomplete,
    is_uploaded,
    offline_attempts,
    upload,
    upload_live,
)
from vgglab.tracking.session import write_out
from vgglab.workflow.compose import has_sweep, is_typed
from vgglab.workflow.output import duration, megabytes
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.reporting import view_of
from vgglab.workflow.study_runs import runs_of_study
from vgglab.workflow.this_command import points_of_this_command, runs_of_this_command
from vgglab.workflow.wandb_cards import replay_offline
from vgglab.workflow.wandb_study import publish_study

AT_A_TIME = 8
"""Runs handed to one ``wandb sync``, whose start takes a second."""
LOOK_SECONDS = 2.0
"""Between two looks at which runs are at work."""
IDLE_SECONDS = 10.0
"""Without a run at work after which no other is waited for: a study's next point begins sooner."""
LAST_SECONDS = 20.0
"""That the upload of a run which has ended may take for the rest; what is left goes up after it."""


def sync(config: Config) -> None:
    """Upload the runs of a study, or of ``paths.runs``, then the study's own run with its links.

    A run is uploaded once it has an outcome: until then its file may still be written anew. With
    ``sync.live``, what runs that are at work have written goes up before that. Of a run that W&B
    has lost rows of, here or on the way, a file is made anew from ``metrics.jsonl``.

    Raises:
        ConfigError: the server does not answer, or there is no API key for it.
        SystemExit: it did not take every run; the same command goes on.
    """
    url = server.base_url()
    if reason := server.why_not(url):
        raise ConfigError(f"{url}: {reason}; the same command uploads later")
    named = elsewhere(config.tracking)
    if config.sync.live:
        _follow(config, named)
    study = _study() if has_sweep() else None
    directories = runs_of_study(*study) if study else runs_of_this_command(config)
    done = [d for d in directories if d.read_status().state.is_outcome]
    if incomplete := [d for d in done if is_incomplete(d.path)]:
        _make_anew(incomplete)
    attempts = {d.id: offline_attempts(d.path) for d in done}
    todo = {name: paths for name, paths in attempts.items() if not all(map(is_uploaded, paths))}
    _say_what_there_is(without_secrets(url), directories, done, attempts, todo)
    _upload(todo, named)
    if study:
        _publish_report(*study, named)


def _study() -> tuple[list[StudyPoint], StudyView]:
    """The study that the command names, as it is now."""
    points = points_of_this_command()
    return points, view_of(points)


def _follow(config: Config, named: Mapping[str, str]) -> None:
    """Upload the runs that are at work as they go, and those that begin meanwhile, until none is.

    A run that is killed and goes on begins its file anew, which is another upload of the same run.
    """
    directories: list[RunDirectory] = []
    at_work: list[RunDirectory] = []
    followed: dict[Path, subprocess.Popen[bytes]] = {}
    last_at_work = time.monotonic()
    try:
        while time.monotonic() - last_at_work < IDLE_SECONDS:
            if not has_sweep():
                directories = runs_of_this_command(config)
            elif not at_work:  # another look, or points as they were tuned, begin together
                begun = time.monotonic()
                directories = runs_of_study(*_study())
                last_at_work += time.monotonic() - begun  # of a large study it takes seconds
            at_work = [d for d in directories if d.read_status().state is State.RUNNING]
            if at_work:
                last_at_work = time.monotonic()
            files = {path: d.id for d in at_work for path in offline_attempts(d.path)[-1:]}
            for path in followed.keys() - files.keys():
                _end(followed.pop(path))
            for path in files.keys() - followed.keys():
                followed[path] = upload_live(path, named)
                print(f"{files[path]}: uploaded as it goes", flush=True)
            time.sleep(LOOK_SECONDS)
    finally:
        for process in followed.values():
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let an upload of a run that has ended do the rest; it waits for ever for one that was killed,
    whose rows go up with the run's end."""
    try:
        process.wait(LAST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _make_anew(incomplete: Sequence[RunDirectory]) -> None:
    """Write an offline file with every row of each of these runs."""
    for directory in incomplete:
        with directory.claim():
            replay_offline(directory)
        print(f"{directory.id}: made anew from metrics.jsonl, for W&B lacks some of it", flush=True)
    write_out()


def elsewhere(tracking: TrackingConfig) -> dict[str, str]:
    """Project and entity as far as the command line names them; without, each run goes where it was
    launched for, whatever is a default or W&B's variable now."""
    given = {"project": tracking.project, "entity": tracking.entity}
    return {name: value for name, value in given.items() if value and is_typed(f"tracking.{name}")}


def place_of(view: StudyView, tracking: TrackingConfig, named: Mapping[str, str]) -> TrackingConfig:
    """Where a study's own run goes: to most of the runs that were trained for it, which it links.

    Args:
        view: the study.
        tracking: of its points as composed now; stands where it has no such run.
        named: ``elsewhere``.
    """
    own = [r.config.tracking for r in view.runs if r.config.study.name == view.name] or [tracking]
    ((project, entity), _), *_ = Counter((t.project, t.entity) for t in own).most_common(1)
    return dataclasses.replace(
        tracking,
        project=named.get("project", project),
        entity=named.get("entity", entity),
    )


def _publish_report(
    points: Sequence[StudyPoint], view: StudyView, named: Mapping[str, str]
) -> None:
    """Upload the study's own run directly: only now is it known where its runs are."""
    config = points[0].config
    tracking = place_of(view, config.tracking, named)
    config = dataclasses.replace(config, tracking=dataclasses.replace(tracking, mode="online"))
    folder = config.study_folder
    if (folder / "report.html").exists():
        address = publish_study(config, view, folder)
        if address is None:
            raise ConfigError("the study's own run was not uploaded; the same command tries again")
        print(f"uploaded {without_secrets(address)}")
    else:
        print(f"no report in {folder} to upload: task=report writes it")


def _say_what_there_is(
    url: str,
    directories: Sequence[RunDirectory],
    done: Sequence[RunDirectory],
    attempts: dict[str, list[Path]],
    todo: dict[str, list[Path]],
) -> None:
    """Print how many runs go up, and why the others do not, in one line."""
    tracked = sum(1 for paths in attempts.values() if paths)
    parts = [f"{len(todo)} of {len(directories)} runs to upload to {url}"]
    if tracked > len(todo):
        parts.append(f"{tracked - len(todo)} uploaded before")
    if len(done) > tracked:
        parts.append(f"{len(done) - tracked} without offline files")
    if len(directories) > len(done):
        parts.append(f"{len(directories) - len(done)} not finished yet")
    print("; ".join(parts), flush=True)


class Progress:
    """Says of each run that it is uploaded, what was sent, and how long the others will take."""

    def __init__(self, todo: Mapping[str, Sequence[Path]]) -> None:
        self._todo = {
            name: [p for p in paths if not is_uploaded(p)] for name, paths in todo.items()
        }
        self._bytes = {name: sum(map(bytes_of, paths)) for name, paths in self._todo.items()}
        self._begun = time.monotonic()
        self.uploaded: set[str] = set()

    @property
    def to_send(self) -> int:
        """Bytes that are not uploaded yet."""
        return sum(size for name, size in self._bytes.items() if name not in self.uploaded)

    def look(self) -> None:
        """Say what is new since the last look."""
        for name, paths in self._todo.items():
            if name not in self.uploaded and all(map(is_uploaded, paths)):
                self.uploaded.add(name)
                count = f"{len(self.uploaded)} of {len(self._todo)}"
                print(
                    f"uploaded {name} ({count}, {megabytes(self._bytes[name])}{self._rest()})",
                    flush=True,
                )

    def _rest(self) -> str:
        left = self.to_send
        if len(self.uploaded) == len(self._todo):
            return ""
        sent = sum(self._bytes.values()) - left
        seconds = (time.monotonic() - self._begun) * left / max(1, sent)
        return f"; the rest, {megabytes(left)}, in about {duration(seconds)}"


def _upload(todo: dict[str, list[Path]], named: Mapping[str, str]) -> None:
    names = list(todo)
    progress = Progress(todo)
    said = ""
    if names:
        print(f"sending {megabytes(progress.to_send)} in {plural(len(names), 'run')}", flush=True)
    for start in range(0, len(names), AT_A_TIME):
        batch = names[start : start + AT_A_TIME]
        paths = [path for name in batch for path in todo[name] if not is_uploaded(path)]
        said = upload(paths, named, progress.look)
    failed = [name for name in names if name not in progress.uploaded]
    if failed:
        reason = without_secrets(" ".join(said.split()))[-300:]
        print(f"error: not uploaded: {', '.join(failed)}: {reason}", file=sys.stderr)
        print("the same command goes on with these", file=sys.stderr)
        raise SystemExit(1)
