"""LightningModule, recipes, callbacks and resume. Knows no study and no W&B."""
