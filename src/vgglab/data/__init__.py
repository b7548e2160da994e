"""The images of a run: where they come from, their splits, order, augmentation and batches.

This room must not know models or training. Of W&B and studies it knows nothing either. Modules that
commands without images import (``sources``, ``splits``, ``files``, ``unreadable``) load torch only
when an image is read.
"""
