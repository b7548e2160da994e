"""``task=bundle``: a study as one file that others can check."""

from __future__ import annotations

from pathlib import Path

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.evidence import members_of, write_bundle
from vgglab.evidence.words import printed_words, words_given
from vgglab.workflow.provenance import commit, source, versions
from vgglab.workflow.stored_study import recomputed_study


def bundle(config: Config) -> None:
    """Write the bundle of the study that the command names, and say its sha256.

    Raises:
        ConfigError: no study is named, its report is not of its runs, or the zip cannot be there.
    """
    folder, name = config.study_folder, config.study.name
    path = Path(config.bundle or folder / f"{name}.bundle.zip").expanduser()
    if path.is_dir():
        raise ConfigError(f"bundle = {config.bundle}: is a folder; name the zip to write")
    found = recomputed_study(config)
    if not found.is_same:
        raise ConfigError(
            f"{folder}: its report does not say what its runs give now; task=judge says where, "
            "task=report writes it anew"
        )
    members = members_of(found.view, folder)
    digest = write_bundle(
        path,
        members,
        study=name,
        words=printed_words(found),
        written_by={"commit": commit(), "source": source(), "versions": versions()},
    )
    size = path.stat().st_size / 2**20
    print(f"{path}: {words_given(found.words)}, {len(found.view.runs)} runs, {size:.1f} MiB")
    print(f"sha256 {digest}")
