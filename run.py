"""The one entry point: ``python run.py [-m] [group=choice] [field=value] ...``; see README.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))  # the source beside it, whichever is installed
    from vgglab.launch.point import note_signals

    note_signals()  # before anything that takes long to load
    from vgglab.config.typo import leave_at_a_typo

    leave_at_a_typo(ROOT)  # before Hydra is loaded
    from vgglab.commands.main import main

    main(ROOT)
