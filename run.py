"""The one entry point: ``python run.py [-m] [group=choice] [field=value] ...``; see README.md."""

from pathlib import Path

from vgglab.commands.main import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent)
