"""``task=prepare``: checks a data set, prints what is in it, and copies it with smaller images."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.progress import track
from rich.table import Table
from rich.text import Text

from vgglab import machine
from vgglab.config import Config, FilesConfig
from vgglab.config.parse import ConfigError
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.image_files import in_words
from vgglab.data.inspect import FileReport, FolderReport, inspect_files, summarise
from vgglab.data.listing import Listing
from vgglab.data.smaller_copy import SmallerCopy
from vgglab.data.sources.registry import (
    fingerprint,
    listing_fingerprint,
    listing_of,
    load_splits,
    unpack,
)
from vgglab.data.splits import SPLITS
from vgglab.data.unreadable import record_unreadable
from vgglab.streams import plain_console
from vgglab.workflow.output import print_rows

MOST_CLASSES = 20
"""Classes that are printed one by one; ``format=csv`` and ``json`` have all of them."""
DEFAULT_SIDE = 512
"""px of a copy's shorter sides: the largest S of the paper."""

ClassCounts = list[dict[str, Any]]
"""``label``, ``class`` and the images in each split."""


def prepare(config: Config) -> None:
    """Check a data set, print what is in it, and copy it if ``prepare.copy`` is set.

    Raises:
        ConfigError: ``prepare.copy`` is set for a data set that is not in files.
        DataError: the data set is not there, or the user has to mend something in it.
    """
    data = config.data
    if isinstance(data, FilesConfig):
        _prepare_files(config, data)
        return
    if config.prepare.copy:
        raise ConfigError(f"prepare.copy = {config.prepare.copy}: data={data.name} has no files")
    splits = load_splits(data, config.paths.data_folder)
    labels = {split: getattr(splits, split).labels_n for split in SPLITS}
    names = [str(label) for label in range(data.classes)]
    _show(config, {"data": data.name} | _about(config), _counts(names, labels), None)


def _prepare_files(config: Config, data: FilesConfig) -> None:
    unpack(data)
    listing = listing_of(data)
    folder = config.paths.data_folder
    splits = load_splits(dataclasses.replace(data, on_error="fail"), folder)  # of all files
    labels = {split: getattr(splits, split).labels_n for split in SPLITS}
    counts = _counts(list(listing.classes), labels)
    copy = _copy_of(config, listing)
    everything = listing.file_set(np.arange(len(listing.names_n)))
    if copy is not None:
        copy.check_names(everything)
        copy.begin(listing_fingerprint(data) + listing.decoding, everything)
    split_n = np.zeros(len(everything), dtype=np.int64)
    for number, split in enumerate(SPLITS):
        split_n[getattr(splits, split).originals_n] = number
    reasons: dict[int, str] = {}
    reports = _with_progress(config, everything, copy)
    summary = summarise(everything, split_n, _collecting(reports, reasons))
    record_unreadable(listing, folder, reasons)
    about: dict[str, Any] = {"data": data.name, "root": str(listing.root)} | _about(config)
    if copy is not None and summary.out_of_reach:
        about["copy"] = (
            f"{copy.root}: not complete, files that could not be had: {summary.out_of_reach}; once "
            "they can, the same command goes on"
        )
    elif copy is not None:
        copy.end()
        as_they_are = "; the unreadable files are in it as they are" if summary.unreadable else ""
        about["copy"] = (
            f"{copy.root}: train on it with data={data.name} data.root={copy.root}{as_they_are}"
        )
    about["left_out"] = listing.left_out
    _show(config, about, counts, summary)
    named = "format=table names them" if config.format == "csv" else "listed above"
    _check(summary, skips=data.on_error == "skip", named=named)


def _collecting(reports: Iterator[FileReport], reasons: dict[int, str]) -> Iterator[FileReport]:
    """Pass the reports on, and collect in ``reasons`` why files hold no image."""
    for report in reports:
        if report.fault and not report.is_unreachable:
            reasons[report.index] = report.fault
        yield report


def _about(config: Config) -> dict[str, str]:
    return {"fingerprint": fingerprint(config.data, config.paths.data_folder)}


def _copy_of(config: Config, listing: Listing) -> SmallerCopy | None:
    wanted, recipe = config.prepare, config.recipe
    if not wanted.copy:
        return None
    fixed = recipe.scale_max if recipe.scale_min == recipe.scale_max else 0
    side = wanted.shorter_side or fixed or DEFAULT_SIDE
    if side < recipe.scale_max:
        raise ConfigError(
            f"prepare.shorter_side = {side}: smaller than recipe.scale_max = {recipe.scale_max}, "
            "so that training would enlarge what the copy has made small"
        )
    root = Path(wanted.copy).expanduser()
    if root.resolve().is_relative_to(listing.root.resolve()):
        raise ConfigError(f"prepare.copy = {root}: is in the folder that it would be a copy of")
    return SmallerCopy(root, side, wanted.quality)


def _with_progress(
    config: Config, files: FileSet, copy: SmallerCopy | None
) -> Iterator[FileReport]:
    workers = config.trainer.workers or machine.cores()
    reports = inspect_files(files, workers, copy)
    verb = "reading" if copy is None else "copying"
    console = plain_console(stderr=True)
    return iter(track(reports, verb, len(files), console=console, disable=not sys.stderr.isatty()))


def _counts(classes: list[str], labels: dict[str, Any]) -> ClassCounts:
    by_split = {split: np.bincount(of, minlength=len(classes)) for split, of in labels.items()}
    return [
        {"label": label, "class": name} | {split: int(by_split[split][label]) for split in SPLITS}
        for label, name in enumerate(classes)
    ]


def _show(
    config: Config, about: dict[str, Any], counts: ClassCounts, summary: FolderReport | None
) -> None:
    checked = {} if summary is None else dataclasses.asdict(summary)
    print_rows(
        counts,
        config.format,
        document=about | {"classes": counts} | checked,
        tables=lambda: _tables(about, counts, summary),
    )


def _tables(
    about: dict[str, Any], counts: ClassCounts, summary: FolderReport | None
) -> Iterator[RenderableType]:
    left_out = about.get("left_out")
    yield from (Text(f"{name}: {value}") for name, value in about.items() if name != "left_out")
    if left_out:
        yield Text(f"left out: {in_words(left_out)}")
    yield _split_table(counts)
    if len(counts) <= MOST_CLASSES:
        yield _class_table(counts)
    else:
        yield Text(f"{len(counts)} classes; all of them with format=csv")
    for split in SPLITS:
        without = [row["class"] for row in counts if not row[split]]
        if without:
            yield Text(f"{split}: no image of {', '.join(without)}")
    if summary is not None:
        yield from map(Text, _summary_lines(summary))


def _split_table(counts: ClassCounts) -> Table:
    table = Table("split", "images", "classes", "fewest of a class", "most of a class")
    for split in SPLITS:
        of_class = [row[split] for row in counts]
        present = sum(number > 0 for number in of_class)
        numbers = (sum(of_class), present, min(of_class), max(of_class))
        table.add_row(split, *(f"{number:,}" for number in numbers))
    return table


def _class_table(counts: ClassCounts) -> Table:
    table = Table(*counts[0])
    for row in counts:
        table.add_row(*map(str, row.values()))
    return table


def _summary_lines(summary: FolderReport) -> Iterator[str]:
    low, middle, high = summary.shorter_sides
    yield f"shorter sides: {low} to {high} px, median {middle}"
    if summary.turned:
        yield f"{summary.turned} images have an EXIF orientation, which is not applied"
    if summary.one_colour:
        yield f"{summary.one_colour} images are of one colour: there is no shape in them to learn"
    for one, other in summary.repeated:
        yield f"in two splits: {one} and {other}"
    for path, reason in summary.unreadable:
        yield f"unreadable: {path}: {reason}"


def _check(summary: FolderReport, *, skips: bool, named: str) -> None:
    """Refuse a data set that the user has to mend.

    Raises:
        DataError: it has unreadable files that are not skipped, or files in two splits.
    """
    faults = []
    if summary.unreadable and not skips:
        faults.append(f"unreadable files: {len(summary.unreadable)}")
    elif summary.out_of_reach:
        faults.append(f"files that cannot be skipped: {summary.out_of_reach}")
    if summary.repeated:
        faults.append(f"files that are in two splits: {len(summary.repeated)}")
    if faults:
        raise DataError(f"{'; '.join(faults)} ({named}): remove or replace them")
