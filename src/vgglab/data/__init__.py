"""Sources, splits, augmentation and the order of samples. Knows no model and no training."""
