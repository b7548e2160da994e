"""Parts of ``make gpu-check`` that no other benchmark has; each prints a JSON line a row."""
