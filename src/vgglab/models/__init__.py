"""The nets: one layer table, one VGG class built from it, LRN, initial weights, analytic cost.

Import from the submodules; this file stays empty so that the two that need no torch stay free
of it.

- ``layers``: ``Conv``, ``Pool``, ``LAYERS``, ``weight_layers`` (no torch)
- ``cost``: ``describe``, ``NetCost``, ``LayerCost`` (no torch)
- ``build``: ``build``, from configs to a net with its initial weights
- ``vgg``: ``VGG``
- ``init``: ``initialise``
- ``lrn``: ``LocalResponseNorm``, ``local_response_norm``
"""
