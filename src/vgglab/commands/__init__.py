"""One file a task of ``run.py``, from a checked config to what the task does.

No command imports another.
"""
