"""From a recipe to a trained model, its report and held-out sequences: what `carousel train` does."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from carousel.artifact import write_vocabulary
from carousel_models.data.splits import splits_of
from carousel_models.recipe import read_recipe
from carousel_models.refusals import RecipeRefused, TrainingError
from carousel_models.report.scores import listed
from carousel_models.training.quiet import start_tensorflow
from carousel_models.training.result import Training


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training left, and how good it is.

    Attributes:
        training: What was built, how fitting went, and how good the model is.
        model: The Keras model, model.keras; `carousel export` takes it.
        held_out: The test split, held_out.npz; see `carousel_models.report.writing.write_held_out`.
        report: The report's files: report.json, report.html and the pictures.
        vocabulary: What each token of a model of texts stands for, vocabulary.txt; `carousel export` takes it too.
    """

    training: Training
    model: Path
    held_out: Path
    report: tuple[Path, ...]
    vocabulary: Path | None = None

    def __str__(self) -> str:
        history, test = self.training.history, self.training.test
        lines = [
            f"Trained {self.training.recipe.name}: {len(history.loss)} epochs in {history.seconds:.0f} s.",
            *([f"Its settings are {self.training.recipe.origin}."] if self.training.recipe.origin else []),
            f"The weights are those of epoch {history.kept}.",
            *(["Interrupted: the same command with --resume goes on from there."] if history.interrupted else []),
            f"On the test split, against {listed(test.scores.baselines)}:",
            *(f"  {score}" for score in test.scores.scores),
            str(test.scores),
            *(f"{i} test splits earlier: {scores}" for i, scores in enumerate(self.training.earlier, 1)),
            f"Model:    {self.model}",
            f"Held out: {self.held_out}",
            *([f"Words:    {self.vocabulary}"] if self.vocabulary else []),
            *(f"Report:   {path}" for path in self.report),
        ]
        return "\n".join(lines)


def train(
    recipe_path: Path,
    output: Path | None = None,
    *,
    resume: bool = False,
    deterministic: bool = False,
    tensorboard: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Train what the recipe says; write model.keras, held_out.npz, report/ and checkpoint.npz into `output`.

    An interrupt from the keyboard after the first epoch ends fitting, and what there is by then is judged and written.

    Args:
        recipe_path: A TOML file; `carousel_models.recipe` says what stands in it.
        output: build/train/<name> where None; files of an earlier training are replaced.
        resume: Go on from the checkpoint there, to the same weights as without an interruption; begin if there is none.
        deterministic: Refuse operations that may give other bits from run to run, as fast ones of a GPU do.
        tensorboard: Write TensorBoard's logs into `output`/tensorboard.
        quiet: Show no progress bar.

    Returns:
        The fitted model, its files, and how it was judged.

    Raises:
        RecipeRefused: The recipe cannot be read or built.
        SourceRefused: Its source yields no examples.
        CheckpointRefused: The checkpoint is damaged or of another training.
        FitDiverged: The loss became infinite or NaN.
        TrainingError: TensorBoard's logs are asked for, and it is not installed.
    """
    recipe = read_recipe(recipe_path)
    splits = splits_of(recipe, recipe_path.parent)
    folder = Path("build", "train", recipe.name) if output is None else output
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise TrainingError("tensorboard is not installed: pip install 'lstm-carousel[tensorboard]', or leave it out")
    # TensorFlow takes seconds to import; a fault in the recipe or its source is told before that.
    start_tensorflow(deterministic=deterministic)
    from carousel_models.report import writing as report  # noqa: PLC0415
    from carousel_models.training.callbacks import callbacks_of  # noqa: PLC0415
    from carousel_models.training.fit import fitted  # noqa: PLC0415
    from carousel_models.training.judging import judged, walked_forward  # noqa: PLC0415
    from carousel_models.training.network import layers_in  # noqa: PLC0415

    callbacks = callbacks_of(recipe, folder / "tensorboard" if tensorboard else None, quiet=quiet)
    try:
        model, history = fitted(recipe, splits, callbacks, checkpoint=folder / "checkpoint.npz", resume=resume)
    except RecipeRefused as error:
        raise RecipeRefused(f"{recipe_path}: {error}") from error
    validation, test = judged(model, recipe, splits)
    earlier = walked_forward(recipe, recipe_path.parent)
    training = Training(recipe, splits, history, layers_in(model), validation, test, earlier)
    written = report.write_report(folder / "report", training)
    model.save(folder / "model.keras")
    report.write_held_out(folder / "held_out.npz", training)
    vocabulary = splits.vocabulary and write_vocabulary(folder / "vocabulary.txt", splits.vocabulary)
    return TrainResult(training, folder / "model.keras", folder / "held_out.npz", written, vocabulary or None)
