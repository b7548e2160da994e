"""One made-up study and its report, made once for all tests that only read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import make_study

from vgglab.report import write_report
from vgglab.study import StudyView


@pytest.fixture(scope="session")
def study_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the runs and the report; nothing may be written into it."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def whole_study(study_root: Path) -> StudyView:
    """Seven nets with three seeds; not to be changed."""
    return make_study(study_root)


@pytest.fixture(scope="session")
def whole_report(whole_study: StudyView, study_root: Path) -> Path:
    """Its page, with the other files of the report beside it; not to be changed."""
    return write_report(whole_study, study_root / "studies" / "depth")
