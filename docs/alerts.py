"""Write docs/alerts.md from the alerts' own rules."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"

HEAD = """# Alerts
What to do for each alert of `deploy/prometheus/rules.yaml`, which this page is written from. A *page* is for now, a
*ticket* for working hours. *After* is how long it must last first.
"""


def written() -> dict[Path, str]:
    """Give the page's text by its path."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    parts = [HEAD]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        runbook = rule["annotations"]["runbook"].strip()
        kind, lasts = rule["labels"]["severity"].capitalize(), rule.get("for", "the first look")
        condition = " ".join(rule["expr"].split())
        parts.append(f"\n## {rule['alert']}\n{kind}, after {lasts}:\n`{condition}`\n\n{runbook}\n")
    return {ROOT / "docs" / "alerts.md": "".join(parts)}
