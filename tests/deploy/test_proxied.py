"""Behind a proxy."""

import time

import numpy as np

from carousel.client import Client
from tests.deploy.proxied import Proxy


def test_a_live_sequence_outlives_the_proxys_patience(serve, tmp_path):
    """A stream that the proxy cuts in a pause opens again with the next timestep, and goes on bit for bit."""
    server = serve()
    with Client(server.address) as client:
        client.wait_until_serving(60)
    steps, answers = np.random.default_rng(0).standard_normal((4, 8), np.float32), []
    with (
        Proxy(tmp_path, [server], timeout="1s") as proxy,
        Client(proxy.address) as client,
        client.live("lstm") as sequence,
    ):
        for i in range(4):
            answers.append(sequence.feed(steps[i : i + 1]).output)
            time.sleep(2)
        assert sequence._session.name == "lstm~4"  # it opened anew after each pause
        [whole] = client.predict("lstm", [steps], return_sequences=True)
    assert np.stack(answers).tobytes() == whole.output.tobytes()
