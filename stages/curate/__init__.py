"""Choosing rows: filters, deduplication, decontamination, mixing. Nothing is dropped without a reason."""
