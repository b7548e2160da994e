"""Studies and runs in a notebook: the report's numbers, read from folders alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from running import ROOT

import vgglab
from vgglab.notebook.predictions import COLUMNS as PREDICTION_COLUMNS
from vgglab.notebook.runs import CURVE_COLUMNS
from vgglab.report.claims_table import COLUMNS as CLAIM_COLUMNS
from vgglab.report.style import BLUE, INK, ORANGE

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
PAGE = NOTEBOOK.with_suffix(".md")


@pytest.fixture(scope="session")
def study(made_up: Path) -> vgglab.Study:
    return vgglab.load(made_up / "studies" / "depth")


def test_runs_are_the_reports(study: vgglab.Study, made_up: Path) -> None:
    reported = pd.read_csv(made_up / "studies" / "depth" / "results.csv")
    assert list(study.runs.columns) == list(reported.columns)
    assert study.runs["run"].to_list() == reported["run"].to_list()
    assert study.runs["top1_error"].to_list() == pytest.approx(
        reported["top1_error"].to_list(), nan_ok=True
    )
    assert {"finished", "diverged", "pending"} == set(study.runs["state"])


@pytest.mark.parametrize("root", ["made_up", pytest.param("trained", marks=pytest.mark.slow)])
def test_claims_are_the_reports(root: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(root) / "studies" / "depth"
    reported = json.loads((folder / "claims.json").read_text(encoding="utf-8"))["claims"]
    claims = vgglab.load(folder).claims
    assert len(claims) > 0
    found = zip(claims["claim"], claims["word"], claims["p_holm"], strict=True)
    assert list(found) == [(c["claim"], c["verdict"], c["p_holm"]) for c in reported]
    means = [c["effect"]["mean"] if c["effect"] else float("nan") for c in reported]
    assert claims["difference"].to_list() == pytest.approx(means, nan_ok=True)


def test_curves_have_a_row_a_value(study: vgglab.Study) -> None:
    run = study.runs["run"].iloc[0]
    own = study.curves[study.curves["run"] == run].set_index(["metric", "epoch"])["value"]
    assert own["train/loss", 0.5] == 1.0
    assert own["validation/top5_error", 8.0] == pytest.approx(
        study.runs["top1_error"].iloc[0] / 9 + 20 * 0.45**7
    )
    assert not {"step", "time", "images_seen", "epoch"} & set(study.curves["metric"])


@pytest.mark.slow
def test_predictions_give_the_errors_of_the_runs(trained: Path) -> None:
    study = vgglab.load(trained / "studies" / "depth")
    assert len(study.predictions) == len(study.runs) == 4
    for row in study.runs.itertuples():
        frame = study.predictions[row.run, row.protocol]  # type: ignore[index]
        assert tuple(frame.columns) == PREDICTION_COLUMNS
        assert len(frame) == row.images
        assert 100 * (frame["rank"] != 1).mean() == pytest.approx(row.top1_error, abs=1e-3)
        assert (frame["rank"] == 1).equals(frame["label"] == frame["predicted"])
        assert frame["loss"].mean() == pytest.approx(row.loss, rel=1e-5)
    with pytest.raises(KeyError, match=r"list\(study.predictions\) has the keys"):
        _ = study.predictions["x", "center"]


def test_a_figure_is_drawn_in_the_callers_style(study: vgglab.Study) -> None:
    with mpl.rc_context({"text.color": "#00ff00", "figure.figsize": (3, 2)}):
        figure = study.figure("error_vs_depth")
    colours = {to_hex(line.get_color()) for line in figure.axes[0].lines}
    assert "#1f77b4" in colours or "#ff7f0e" in colours  # matplotlib's own
    assert not {BLUE, ORANGE, INK} & colours
    assert {t.get_color() for t in figure.axes[0].texts} >= {"#00ff00"}
    assert figure.get_figwidth() == 3
    assert study.figure("error_vs_depth").get_figwidth() == mpl.rcParams["figure.figsize"][0]


def test_a_figure_shows_itself(study: vgglab.Study) -> None:
    """IPython asks for the picture; it looked for one of pyplot's, which draws none of ours."""
    picture = study.figure("error_vs_depth")._repr_png_()  # type: ignore[attr-defined]
    assert picture.startswith(b"\x89PNG")


def test_figures_are_the_reports(study: vgglab.Study, made_up: Path) -> None:
    written = {path.stem for path in (made_up / "studies/depth/figures").glob("*.svg")}
    assert set(study.figures) == written
    assert all(study.figures.values())


def test_a_study_that_moved_is_found(made_up: Path, tmp_path: Path) -> None:
    shutil.copytree(made_up, tmp_path / "all")
    assert len(vgglab.load(tmp_path / "all/studies/depth").curves)
    shutil.move(tmp_path / "all/runs", tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"none of its 21 runs .* runs=\"runs\""):
        vgglab.load(tmp_path / "all/studies/depth")
    assert len(vgglab.load(tmp_path / "all/studies/depth", runs=tmp_path / "elsewhere").curves)


def test_runs_are_chosen_by_their_fields(made_up: Path) -> None:
    found = vgglab.load_runs(made_up / "runs", where={"model.name": ["b", "e"], "seed": 2})
    assert found.runs[["model", "state"]].to_numpy().tolist() == [
        ["b", "finished"],
        ["e", "diverged"],
    ]
    assert set(found.curves["run"]) == set(found.runs["run"])
    assert len(vgglab.load_runs(made_up / "runs").runs) == 20


def test_mistakes_are_named_with_what_is_allowed(
    study: vgglab.Study, made_up: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no figure 'depth'; it has: error_vs_depth, differences"):
        study.figure("depth")
    with pytest.raises(FileNotFoundError, match=r"no such folder; studies in .*: depth$"):
        vgglab.load(made_up / "studies" / "deph")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "claims.json").touch()
    with pytest.raises(FileNotFoundError, match="task=report sweeps=old writes it"):
        vgglab.load(tmp_path / "old")
    with pytest.raises(FileNotFoundError, match=r"no study, for it has no study\.json"):
        vgglab.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        vgglab.load_runs(tmp_path / "runs")
    with pytest.raises(FileNotFoundError, match="no run that this version can read"):
        vgglab.load_runs(tmp_path)
    with pytest.raises(ValueError, match=r"no run has such a field; near: model\.name"):
        vgglab.load_runs(made_up / "runs", where={"model.nam": "d"})
    with pytest.raises(ValueError, match="where has seed = 7: the runs have 0, 1, 2"):
        vgglab.load_runs(made_up / "runs", where={"seed": 7})


@pytest.mark.slow
def test_the_notebook_runs_without_torch(trained: Path, tmp_path: Path) -> None:
    """In a kernel of its own, in a copy of the folders, which stay as they were."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    here = tmp_path / "here"
    shutil.copytree(trained, here, ignore=shutil.ignore_patterns("checkpoints"))
    (here / "studies" / "depth").rename(here / "studies" / "quickstart")
    (here / "docs").mkdir()
    before = sorted(here.rglob("*"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    heavy = "{'torch', 'wandb', 'hydra', 'pytorch_lightning'} & set(__import__('sys').modules)"
    notebook.cells.append(nbformat.v4.new_code_cell(f"assert not {heavy}, {heavy}"))
    metadata = {"metadata": {"path": str(here / "docs")}}
    nbclient.NotebookClient(notebook, timeout=240, resources=metadata).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    assert sorted(here.rglob("*")) == before


def test_the_notebook_shows_what_its_cells_gave() -> None:
    """Whole, in order, and without an error: somebody ran it from top to bottom."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells)
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "error" not in kinds
    source = "".join(line for cell in cells for line in cell["source"])
    shown = set(re.findall(r"\bstudy\.(\w+)", source))
    assert shown == {name for name in dir(vgglab.Study) if not name.startswith("_")}


@pytest.mark.parametrize("columns", [CURVE_COLUMNS, PREDICTION_COLUMNS, tuple(CLAIM_COLUMNS), ()])
def test_the_page_names_every_column(columns: tuple[str, ...], study: vgglab.Study) -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Columns")[2]
    for name in columns or tuple(study.runs.columns):
        assert f"`{name}`" in text
