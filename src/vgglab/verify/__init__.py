"""Interrupts a run at each kind of moment and compares what comes out, bit by bit. Knows no W&B."""
