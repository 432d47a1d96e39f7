"""Everything that training and exporting refuse, one class a reason.

    TrainingError          a CarouselError, so that the command line tells it like any other
    ├── RecipeRefused     a recipe cannot be read, or says what cannot be built
    ├── SourceRefused     a file, column, value or policy that yields no windows, or too few rows
    ├── CheckpointRefused a checkpoint is damaged, or of another training
    ├── FitDiverged       the loss became infinite or NaN
    ├── ExplainRefused    a model has nothing to explain, or does not take the sequence
    ├── ExportRefused     a Keras model or its file cannot be exported as it is
    └── VersionExists     a model repository has that version already

Messages are written for the person at the command line: what came, what was expected, what to change.
"""

from carousel.errors import CarouselError


class TrainingError(CarouselError):
    """The root of the tree."""


class RecipeRefused(TrainingError):
    """A recipe cannot be read, or says what cannot be built; one line a fault."""


class SourceRefused(TrainingError):
    """The source of a recipe yields no windows: a bad file, column, value or policy, or too few rows."""


class CheckpointRefused(TrainingError):
    """A checkpoint cannot be gone on from: it is damaged, or of another recipe or other examples."""


class FitDiverged(TrainingError):
    """The loss became infinite or NaN."""


class ExplainRefused(TrainingError):
    """A model has nothing to explain, or does not take the sequence."""


class ExportRefused(TrainingError):
    """A Keras model or its file cannot be exported as it is."""


class VersionExists(TrainingError):
    """A model repository has that version already; versions are never overwritten."""
