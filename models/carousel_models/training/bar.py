"""The looks of all our progress bars."""

from rich import progress


def bar_of(unit: str) -> progress.Progress:
    """Make a bar that counts `unit`; each of its tasks has the field `figures`, shown behind the count."""
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn(f"{unit} {{task.fields[figures]}}"),
        progress.TimeElapsedColumn(),
    )
