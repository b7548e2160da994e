"""Studies and runs for a notebook: tables, predictions, claims, figures, read from folders alone.

Must not know torch, W&B, or how a number is computed: it hands out what ``study`` and ``report``
have.
``tests/notebook/test_signatures.py`` pins what is public.
"""

from vgglab.notebook.loading import load, load_runs
from vgglab.notebook.predictions import Predictions
from vgglab.notebook.runs import Runs
from vgglab.notebook.study import Study

__all__ = ["Predictions", "Runs", "Study", "load", "load_runs"]
