"""Where images come from: one module a source. Knows no loader and no augmentation."""
