"""README.md's first answer is what a reader gets: its commands and its program, run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

README = (Path(__file__).parent.parent / "README.md").read_text()
INSTALL = "pip install"  # what these tests run in has it; tests/test_package.py installs the wheel

MODEL = """
import keras
from keras import layers

keras.utils.set_random_seed(1)
keras.Sequential([layers.Input((None, 4)), layers.LSTM(8)]).save("my_model.keras")
"""


def block(language):
    """The first block of a language under "The first answer"."""
    return re.search(rf"## The first answer.*?```{language}\n(.*?)```", README, re.DOTALL)[1]


def test_the_first_answer_comes(tmp_path):
    """On a network of its own, for the commands name ports; as a reader does, it waits for the server."""
    (tmp_path / "ask.py").write_text(block("python"))
    (tmp_path / "make_model.py").write_text(MODEL)
    np.savetxt(tmp_path / "steps.csv", np.ones((7, 4)), delimiter=",")
    install, *commands, predict = block("sh").splitlines()
    assert install.startswith(INSTALL)
    script = [
        "ip link set lo up",
        "python make_model.py 2>make_model.log",  # what TensorFlow says there is not ours
        *commands,
        f"until {predict}; do kill -0 $!; sleep 0.2; done",
        "python ask.py",
    ]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "bash", "-euc", "\n".join(script)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    exported = done.stderr.partition("INFO carousel.serving")[0]
    assert not re.search(r"^([IWE]\d{4} |WARNING: All log messages before absl)", exported, re.MULTILINE)
    answer, shapes = done.stdout.splitlines()[-2:]
    assert len(re.findall(r"[-\d.e]+", answer)) == 8
    assert shapes == "(8,) (30, 8)"


def test_the_first_answer_is_on_the_first_screen():
    """The picture, and the commands that lead to it, within fifty lines."""
    lines = README.splitlines()[:50]
    assert any(line.startswith("![") for line in lines)
    assert any(line.startswith("carousel predict") for line in lines)
    assert len(block("sh").splitlines()) <= 5
