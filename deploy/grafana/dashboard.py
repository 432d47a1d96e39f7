"""The dashboard, deploy/grafana/dashboard.json, from code.

Six questions, in the order in which they are asked: is it healthy, how fast, how full, what rides, what was refused,
which versions.
"""

from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

FILE = Path(__file__).with_suffix(".json")

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_OURS = 'job=~"$job", instance=~"$instance"'
_CALLS = f'{_OURS}, grpc_service!~"grpc[.].*"'
_FAILED = f'{_OURS}, outcome!="done"'
_BY_MODEL = "{{model}} v{{version}}"


@dataclass(frozen=True)
class Panel:
    """One panel: what it is called, the unit of its axis in Grafana's words, and (legend, query) a line.

    Attributes:
        single: One number with its history behind it.
        traced: The histogram keeps traces, which are shown as points that lead to them.
    """

    title: str
    unit: str
    text: str
    lines: tuple[tuple[str, str], ...]
    single: bool = False
    traced: bool = False


def _quantiles(metric: str, labels: str) -> tuple[tuple[str, str], ...]:
    rates = f"sum by (le) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return tuple((f"p{q:g}", f"histogram_quantile({q / 100:g}, {rates})") for q in (50, 95, 99))


def _mean(metric: str) -> str:
    total, count = (
        f"sum by (model, version) (rate({metric}_{p}{{{_OURS}}}[$__rate_interval]))" for p in ("sum", "count")
    )
    return f"{total} / {count}"


QUESTIONS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is it healthy?",
        (
            Panel(
                "Servers that take requests",
                "short",
                "Of those that Prometheus reaches.",
                (("serving", f"sum(carousel_serving{{{_OURS}}})"),),
                single=True,
            ),
            Panel(
                "Failed, of the last hour's budget",
                "percentunit",
                "Failures against the objective of 99.9%: 100% spends a month's budget in a month.",
                (
                    (
                        "spent",
                        'avg(job:carousel_failures:ratio_rate1h{job=~"$job"}) / 0.001',
                    ),
                ),
                single=True,
            ),
            Panel(
                "Versions on TensorFlow",
                "short",
                "Their plan could not be used; right, but slow.",
                (("fallback", f"sum(carousel_engine_fallback{{{_OURS}}})"),),
                single=True,
            ),
            Panel(
                "Requests by outcome",
                "reqps",
                "A second, by gRPC code.",
                (
                    (
                        "{{grpc_code}}",
                        f"sum by (grpc_code) (rate(grpc_server_handled_total{{{_CALLS}}}[$__rate_interval])) > 0",
                    ),
                ),
            ),
        ),
    ),
    (
        "How fast?",
        (
            Panel(
                "Time of a request",
                "s",
                "From accepting it to its status.",
                _quantiles("grpc_server_handling_seconds", f'{_CALLS}, grpc_type="unary"'),
                traced=True,
            ),
            Panel(
                "Wait of a sequence",
                "s",
                "From admission to stepping on.",
                _quantiles("carousel_sequence_wait_seconds", _OURS),
                traced=True,
            ),
            Panel(
                "Ride of a sequence",
                "s",
                "From stepping on to stepping off.",
                _quantiles("carousel_sequence_run_seconds", _OURS),
                traced=True,
            ),
        ),
    ),
    (
        "How full?",
        (
            Panel(
                "Engine time",
                "percentunit",
                "Of one core, each server; a loop uses one core at most.",
                (
                    (
                        "{{instance}}",
                        f"sum by (instance) (rate(carousel_engine_seconds_total{{{_OURS}}}[$__rate_interval]))",
                    ),
                ),
            ),
            Panel(
                "Backlog",
                "s",
                "Predicted work of everything admitted.",
                (("{{instance}}", f"sum by (instance) (carousel_backlog_seconds{{{_OURS}}})"),),
            ),
            Panel(
                "CPU",
                "percentunit",
                "Of one core, each server; of all its workers together.",
                (("{{instance}}", f"rate(process_cpu_seconds_total{{{_OURS}}}[$__rate_interval])"),),
            ),
            Panel("Memory", "bytes", "Resident.", (("{{instance}}", f"process_resident_memory_bytes{{{_OURS}}}"),)),
        ),
    ),
    (
        "What rides?",
        (
            Panel(
                "On board and waiting",
                "short",
                "Sequences.",
                (
                    ("running", f"sum(carousel_sequences_running{{{_OURS}}})"),
                    ("waiting", f"sum(carousel_sequences_waiting{{{_OURS}}})"),
                    ("live, open", f"sum(carousel_sessions_open{{{_OURS}}})"),
                ),
            ),
            Panel(
                "Timesteps",
                "ops",
                "A second; padded ones are 0 for ever.",
                (
                    (_BY_MODEL, f"sum by (model, version) (rate(carousel_steps_total{{{_OURS}}}[$__rate_interval]))"),
                    ("padded", f"sum(rate(carousel_padded_steps_total{{{_OURS}}}[$__rate_interval]))"),
                ),
            ),
            Panel(
                "Rows a tick",
                "short",
                "Mean: who shares a tick shares its cost.",
                ((_BY_MODEL, _mean("carousel_tick_rows")),),
            ),
            Panel("Steps a tick", "short", "Mean.", ((_BY_MODEL, _mean("carousel_tick_steps")),)),
        ),
    ),
    (
        "What was refused?",
        (
            Panel(
                "Refused before any work",
                "ops",
                "Sequences a second, by reason.",
                (
                    (
                        "{{reason}}",
                        f"sum by (reason) (rate(carousel_sequences_refused_total{{{_OURS}}}[$__rate_interval]))",
                    ),
                ),
            ),
            Panel(
                "Given up after admission",
                "ops",
                "Sequences a second, by the error's name.",
                (
                    (
                        "{{outcome}}",
                        f"sum by (outcome) (rate(carousel_sequences_total{{{_FAILED}}}[$__rate_interval]))",
                    ),
                ),
            ),
            Panel(
                "Pace",
                "percentunit",
                "Predicted work done in a second while there was work: what admission reckons with.",
                (("{{instance}}", f"carousel_pace_ratio{{{_OURS}}}"),),
            ),
        ),
    ),
    (
        "Which versions?",
        (
            Panel(
                "Servers of each version",
                "short",
                "With the engine that runs it.",
                (
                    (
                        "{{model}} v{{version}} on {{engine}}",
                        f"sum by (model, version, engine) (carousel_model_info{{{_OURS}}})",
                    ),
                ),
            ),
            Panel(
                "Loads",
                "short",
                "In the last hour, by outcome.",
                (("{{outcome}}", f"sum by (outcome) (increase(carousel_model_loads_total{{{_OURS}}}[1h]))"),),
            ),
            Panel(
                "Servers whose answers are exact",
                "short",
                "No answer depended on its batch by a single bit, when the version was loaded.",
                ((_BY_MODEL, f"sum by (model, version) (carousel_batch_invariant{{{_OURS}}})"),),
            ),
        ),
    ),
)


def written() -> dict[Path, str]:
    """Write the dashboard as Grafana's JSON."""
    board = (
        Dashboard("Carousel")
        .uid("carousel")
        .tags(["carousel", "lstm"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_labels_of("job", "label_values(carousel_serving, job)"))
        .with_variable(_labels_of("instance", 'label_values(carousel_serving{job=~"$job"}, instance)'))
    )
    for question, panels in QUESTIONS:
        board.with_row(Row(question))
        singles = sum(panel.single for panel in panels)
        for panel in panels:
            width = 3 if panel.single else (24 - 3 * singles) // (len(panels) - singles)
            board.with_panel(_drawn(panel).span(width).height(7))
    return {FILE: JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"}


def _labels_of(name: str, query: str) -> QueryVariable:
    variable = QueryVariable(name).datasource(_SOURCE).query(query).multi(True).include_all(True).all_value(".+")
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _drawn(panel: Panel) -> stat.Panel | timeseries.Panel:
    drawn: stat.Panel | timeseries.Panel
    if panel.single:
        drawn = stat.Panel().graph_mode(BigValueGraphMode.AREA)
    else:
        legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        drawn = timeseries.Panel().min(0).fill_opacity(8).legend(legend.show_legend(True))
    drawn.title(panel.title).description(panel.text).unit(panel.unit).datasource(_SOURCE)
    for reference, (legend_format, query) in zip("ABC", panel.lines, strict=False):
        target = prometheus.Dataquery().ref_id(reference).expr(query).legend_format(legend_format)
        # One query of several is enough: all of them are on the same buckets.
        drawn.with_target(target.exemplar(True) if panel.traced and reference == "A" else target)
    return drawn
