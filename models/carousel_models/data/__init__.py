"""From raw files to sequences in batches."""
