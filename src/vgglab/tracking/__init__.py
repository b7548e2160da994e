"""All that touches W&B. Handed plain records; nothing else knows that W&B exists."""
