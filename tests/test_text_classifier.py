"""docs/text-classifier.md, run as it stands: its scripts, its commands, its answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from carousel.artifact import disagreement, read_manifest, read_vocabulary, tokens_of
from carousel.client import Client
from carousel.errors import InvalidRequest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "text-classifier.md").read_text()
SERVE = "carousel serve --repository repository"
LOOPBACK = ["--host", "127.0.0.1", "--port", "0", "--http-host", "127.0.0.1", "--http-port", "0"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run the page in a folder of its own; give the folder, the server's address, and what each command printed."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "models").symlink_to(ROOT / "models")
    train, ask = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    commands = [command.strip() for command in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]
    (folder / "train.py").write_text(train)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(command):
        done = subprocess.run(
            command, cwd=folder, shell=True, capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    before, after = commands[: commands.index(SERVE)], commands[commands.index(SERVE) + 1 :]
    said = {command: run(command) for command in before}
    serve = [*SERVE.split(), *LOOPBACK, "--drain-notice-seconds", "0"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(serve, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        address = re.search(r"gRPC on (\S+),", server.stdout.readline()).group(1)
        with Client(address) as client:
            client.wait_until_serving(60)
        (folder / "ask.py").write_text(ask.replace("localhost:8500", address))
        for command in after:
            said[command] = run(command.replace("carousel predict", f"carousel predict --target {address}"))
        yield folder, address, said
    finally:
        server.terminate()
        server.wait(60)


def test_what_it_says_is_what_happens(ran):
    """It learns, is exported whole with its vocabulary, and names kinds."""
    folder, _, said = ran
    assert float(said["python train.py"].split()[-1]) > 0.6
    manifest = read_manifest(folder / "repository/kinds/1")
    assert manifest.cell_graph
    assert "reads the sequence from its end as well" in manifest.not_stepwise_because
    assert [part.name for part in (*manifest.inputs, *manifest.outputs)] == ["words", "kind"]
    answer = json.loads(next(said[command] for command in said if command.startswith("echo")))
    assert np.argmax(answer) == 4
    assert [line.split()[0] for line in said["python ask.py"].splitlines()] == ["person", "food", "animal"]


def test_the_served_answers_are_those_of_keras(ran):
    """Of real texts, alone and together to the bit, with zeros after them too; strange tokens are refused."""
    folder, address, _ = ran
    model = keras.saving.load_model(folder / "classifier.keras")
    vocabulary = read_vocabulary(folder / "vocabulary.txt")
    lines = (ROOT / "models/datasets/word_definitions.csv").read_text().splitlines()[1:400:9]
    texts = tokens_of(lines, vocabulary)
    with Client(address) as client:
        together = [each.output for each in client.predict("kinds", texts)]
        alone = [client.predict("kinds", [text])[0].output for text in texts]
        padded = [each.output for each in client.predict("kinds", [np.pad(text, (0, 5)) for text in texts])]
        with pytest.raises(InvalidRequest, match=f"holds token {len(vocabulary)} at timestep 2"):
            client.predict("kinds", [[1, 2, len(vocabulary)]])
    assert [each.tobytes() for each in together] == [each.tobytes() for each in alone]
    for text, answer, longer in zip(texts, together, padded, strict=True):
        assert disagreement(answer, np.asarray(model(text[None]))[0]) == ""
        assert disagreement(longer, answer) == ""
