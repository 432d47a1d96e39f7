"""The PrometheusRule, rules.yaml, from deploy/prometheus/rules.yaml."""

from pathlib import Path

FILE = Path(__file__).with_name("rules.yaml")
SOURCE = Path(__file__).parents[3] / "prometheus" / "rules.yaml"

_HEAD = """\
# Written by write_rules.py from deploy/prometheus/rules.yaml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: carousel}
spec:
"""


def written() -> dict[Path, str]:
    """Write the PrometheusRule."""
    rules = SOURCE.read_text()
    groups = rules[rules.index("groups:") :]
    return {FILE: _HEAD + "".join(f"  {line}\n" if line else "\n" for line in groups.splitlines())}
