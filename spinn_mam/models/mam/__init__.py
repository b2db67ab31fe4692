"""The multi-area model."""
