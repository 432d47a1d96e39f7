"""The gates and states of an LSTM as heat maps."""

from matplotlib.figure import Figure

from carousel_models.report.gates import Gates, Numbers
from carousel_models.report.looks import figure_of


def draw_gates(gates: Gates) -> Figure:
    """Draw gates, candidate and states: timesteps to the right, a line for each unit; masked timesteps are blank."""
    timesteps, units = gates.h.shape
    figure = figure_of(14, 4 + min(4.0, 0.12 * units) * 2)
    act, gate = gates.activation, gates.recurrent_activation
    maps: list[tuple[str, Numbers]] = [
        (f"i, input gate: recurrent_activation = {gate}", gates.i),
        (f"f, forget gate: recurrent_activation = {gate}", gates.f),
        (f"o, output gate: recurrent_activation = {gate}", gates.o),
        (f"candidate for c: activation = {act}", gates.candidate),
        ("c, cell state: f * c before + i * candidate", gates.c),
        (f"h, output: o * activation(c), activation = {act}", gates.h),
    ]
    for axes, (title, numbers) in zip(figure.subplots(2, 3).flat, maps, strict=True):
        # Gates are shares from 0 to 1 as a rule; candidate and states have signs.
        signed = title[0] not in "ifo"
        most = max(1.0, float(abs(numbers[numbers == numbers]).max(initial=0.0)))  # noqa: PLR0124 - leaves out NaN
        low = -most if signed or numbers[numbers == numbers].min(initial=0.0) < 0 else 0.0  # noqa: PLR0124 - as above
        shading = axes.imshow(
            numbers.T,
            aspect="auto",
            interpolation="nearest",
            cmap="RdBu_r" if low < 0 else "viridis",
            vmin=low,
            vmax=most,
            extent=(-0.5, timesteps - 0.5, units - 0.5, -0.5),
        )
        axes.set_title(title, fontsize=10, loc="left")
        axes.set(xlabel="timestep, read from the last" if gates.backwards else "timestep", ylabel="unit")
        axes.set_facecolor("#d8dde3")
        figure.colorbar(shading, ax=axes)
    figure.suptitle(f"{gates.layer}: {units} units over {timesteps} timesteps", fontsize=12)
    return figure
