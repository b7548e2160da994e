"""The nets, built from rows of the table of nets: layers, initial weights, cost and kernels.

Knows no data, no training and no runs: a net gets a config and tensors, and gives tensors. What
follows from the table by arithmetic needs no torch: ``layers``, ``layer_costs``, ``cost``,
``published_sizes`` and ``filters``. This file stays empty, so that importing them loads none.
"""
