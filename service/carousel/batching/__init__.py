"""Who runs next, and how far: pure values and decisions, without a clock, an engine or I/O."""
