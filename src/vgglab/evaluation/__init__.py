"""Views of test images, predictions and their errors. Knows no training, no study, no W&B."""
