"""The commands: from ``run.py``'s arguments to the rooms that do the work, and to an exit code."""
