"""Writes rules.yaml, the PrometheusRule, from deploy/prometheus/rules.yaml."""  # noqa: INP001 - a script, no package

from pathlib import Path

HERE = Path(__file__).parent

_HEAD = """\
# Written by write_rules.py from deploy/prometheus/rules.yaml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: carousel}
spec:
"""


def written() -> str:
    """Write the PrometheusRule."""
    rules = (HERE.parents[2] / "prometheus/rules.yaml").read_text()
    groups = rules[rules.index("groups:") :]
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in groups.splitlines())


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(written())
