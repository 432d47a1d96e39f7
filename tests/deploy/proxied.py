"""A haproxy as docs/deploy.md sets it up, in front of real servers."""

import re
import socket
import subprocess
from pathlib import Path
from typing import Self

from carousel.client import Client
from tests.deploy.tools import ROOT, Served, tool


class Proxy:
    """One address for several servers; `timeout` is how long a stream may be silent."""

    def __init__(self, folder: Path, servers: list[Served], timeout: str = "10m") -> None:
        [config] = re.findall(r"```haproxy\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        [line] = re.findall(r"^ +server a .*\n", config, re.MULTILINE)
        lines = "".join(line.replace("a 127.0.0.1:8500", f"{each.port}-{each.host} {each.address}") for each in servers)
        for shown, real in ((line, lines), (":8600", self.address), ("10m", timeout)):
            assert shown in config
            config = config.replace(shown, real)
        (folder / "haproxy.cfg").write_text(config)
        self._process = subprocess.Popen([tool("haproxy", "haproxy"), "-db", "-f", folder / "haproxy.cfg"])

    def __enter__(self) -> Self:
        with Client(self.address) as client:
            client.wait_until_serving(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
