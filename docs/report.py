"""Draws docs/report.png: the page that `carousel train` writes for the recipe of the demo, as a browser shows it.

`python -m docs.report` in the repository's root; needs Debian's chromium, or another that is on the path.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from carousel_models.training import train

PICTURE = Path(__file__).with_suffix(".png")

_RECIPE = Path("models/recipes/seattle_weather.toml")
_WINDOW = "1040,1800"
_SECONDS = 120.0


def main() -> int:
    """Train, and take the picture."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("docs.report: no chromium on the path: apt-get install chromium\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        page = next(path for path in train(_RECIPE, Path(folder)).report if path.suffix == ".html")
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={_WINDOW}"]
        subprocess.run(  # noqa: S603 - the browser that was found
            [browser, *flags, f"--user-data-dir={folder}/profile", f"--screenshot={PICTURE}", page.as_uri()],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
