"""The command teaches, answers, and ends as it should."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import trustme

from carousel.cli import main
from carousel.cli.main import parsers
from carousel.client import Client

COMMANDS = ("train", "tune", "check", "explain", "export", "serve", "predict", "inspect", "demo")


@pytest.fixture
def target(serving):
    return serving.target


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "usage: carousel" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["", "inspect", "inspect DIR --target b:1", "predict", "serve --prot 1", "no-such-command"]
)
def test_what_is_called_wrongly_ends_with_status_2_and_says_how_it_is_called(line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    assert "usage: carousel" in capsys.readouterr().err


NUMBERS = [
    (command, flag)
    for command, parser in parsers()[1].items()
    for action in parser._actions
    for flag in action.option_strings
    if action.type not in {None, Path, str}
]


@pytest.mark.parametrize("odd", ["-1", "-0.5", "x", "nan", "inf", "1e400", ""])
@pytest.mark.parametrize(("command", "flag"), NUMBERS)
def test_no_number_of_a_command_is_taken_unchecked(command, flag, odd, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, f"{flag}={odd}"])
    assert ended.value.code == 2
    assert re.search(rf"error: argument {flag}: is '{odd}', expected a (whole )?number", capsys.readouterr().err)


def test_a_reader_who_leaves_ends_a_command_without_a_word(repository):
    """As `carousel inspect ... | head -0` does."""
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "carousel", "inspect", repository / "small" / "1"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, "")


def test_no_command_waits_for_the_imports_of_another():
    """Help is there at once; and what `serve` sets for the C core, it sets before the core is there."""
    script = "import sys, carousel.cli; print(*{'grpc', 'keras', 'onnxruntime', 'tensorflow'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"


def test_predict_prints_what_the_server_answers(target, client, tmp_path, capsys):
    steps = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    np.savetxt(tmp_path / "steps.csv", steps, delimiter=",", fmt="%.9g")
    np.save(tmp_path / "steps.npy", steps)
    [expected] = client.predict("stack", [steps])
    for file in ("steps.csv", "steps.npy"):
        assert main(["predict", "stack", str(tmp_path / file), "--target", target]) == 0
        printed = np.array(json.loads(capsys.readouterr().out), np.float32)
        assert printed.tobytes() == expected.output.tobytes()


def test_predict_takes_several_files_and_header_lines(target, client, tmp_path, capsys):
    """The sequences of all files go in one request, and an answer is printed for each, in their order."""
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((timesteps, 64)).astype(np.float32) for timesteps in (5, 3, 1)]
    header = ",".join(f"feature {i}" for i in range(64))
    np.savetxt(tmp_path / "one.csv", sequences[0], delimiter=",", fmt="%.9g", header=header, comments="")
    np.savez(tmp_path / "two.npz", inputs_0=sequences[1], inputs_1=sequences[2])
    files = [str(tmp_path / "one.csv"), str(tmp_path / "two.npz")]
    assert main(["predict", "stack", *files, "--target", target]) == 0
    printed = [np.array(json.loads(line), np.float32) for line in capsys.readouterr().out.splitlines()]
    expected = client.predict("stack", sequences)
    assert [p.tobytes() for p in printed] == [e.output.tobytes() for e in expected]
    assert main(["predict", "stack", *files, "--first", "2", "--target", target]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2\n3,x\n", "line 2, column 2: expected a number, got 'x'"),
        ("a,b\n1,2\n \n3,\n", "line 4, column 2: expected a number, got ''"),
        ("1,b\n1,2\n", "line 1, column 2: expected a number, got 'b'"),
        ("a,b\na,b\n1,2\n", "line 2, column 1: expected a number, got 'a'"),
        ("1,2\n3\n", "line 2 has 1 columns, those before it have 2"),
        ("a,b\n", "expected lines of numbers, found none"),
        ("", "expected lines of numbers, found none"),
    ],
)
def test_predict_says_where_a_file_is_wrong(text, said, tmp_path, capsys):
    """File, line and column, counted from 1, before any server is asked."""
    bad = tmp_path / "bad.csv"
    bad.write_text(text)
    assert main(["predict", "stack", str(bad), "--target", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == f"carousel: {bad}: {said}\n"


def test_predict_says_what_is_wrong(target, tmp_path, capsys):
    """What the server refuses by name, and a file that is not there."""
    (tmp_path / "narrow.csv").write_text("1,2\n3,4\n")
    assert main(["predict", "stack", str(tmp_path / "narrow.csv"), "--target", target]) == 1
    assert "has input_dim 2, the model takes 64" in capsys.readouterr().err
    assert main(["predict", "stack", str(tmp_path / "none.csv"), "--target", target]) == 1
    assert capsys.readouterr().err == f"carousel: {tmp_path / 'none.csv'}: No such file or directory\n"


def test_inspect_shows_a_version_on_disk_and_a_server(target, repository, capsys):
    assert main(["inspect", str(repository / "stack" / "1")]) == 0
    on_disk = capsys.readouterr().out
    assert "inputs float32 [?, ?, 64]" in on_disk
    assert "engine       onnx" in on_disk
    assert "equal bits   yes" in on_disk
    assert main(["inspect", "--target", target]) == 0
    assert "stack version 1 on onnx" in capsys.readouterr().out


BAD_PORTS = {
    "gRPC": ("--port={taken}", "cannot listen on 127.0.0.1:{taken}: Address already in use"),
    "http": ("--http-port={taken}", "cannot listen on 127.0.0.1:{taken} for HTTP: Address already in use"),
    "host": ("--host=192.0.2.1", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
    "key": ("--tls-key=none", "tls_key: cannot read none: No such file or directory"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("flag", "said"), BAD_PORTS.values(), ids=BAD_PORTS)
def test_serve_ends_with_status_2_and_one_line_where_it_cannot_begin(tmp_path, workers, flag, said):
    """As a process; nothing was started that outlives it."""
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    command = [sys.executable, "-m", "carousel", "serve", f"--workers={workers}"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        loopback = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0"]
        tls = ["--tls-certificate=tls.crt"] if "tls" in flag else []
        done = subprocess.run(
            [*command, *loopback, *tls, flag.format(taken=taken)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"carousel serve: {said.format(taken=taken)}\n"


FAILURES = {
    "predict, no file": ("predict stack none.csv", "none.csv"),
    "predict, no numbers": ("predict stack words.csv", "words.csv"),
    "predict, an empty .npy": ("predict stack empty.npy", "empty.npy"),
    "predict, no .npz": ("predict stack noise.npz", "noise.npz"),
    "predict, pickles": ("predict stack pickle.npy", "pickle.npy"),
    "predict, nobody there": ("predict stack steps.csv --target 127.0.0.1:1 --timeout 1", "127.0.0.1:1"),
    "stream, no file": ("stream stack none.csv", "none.csv"),
    "stream, no text": ("stream stack noise.npz --target {target}", "noise.npz"),
    "inspect, no folder": ("inspect none", "none"),
    "inspect, no version": ("inspect .", "saved_model.pb"),
    "inspect, nobody there": ("inspect --target 127.0.0.1:1", "127.0.0.1:1"),
    "train, no recipe": ("train none.toml", "none.toml"),
    "train, broken recipe": ("train words.csv", "words.csv"),
    "tune, no recipe": ("tune none.toml", "none.toml"),
    "export, no file": ("export none.keras --repository r --name m", "none.keras"),
    "export, no model": ("export noise.npz --repository r --name m", "noise.npz"),
    "demo, no recipe": ("demo none.toml", "none.toml"),
}


@pytest.mark.parametrize(("line", "named"), FAILURES.values(), ids=FAILURES)
def test_what_fails_ends_with_status_1_and_one_line_that_names_it(tmp_path, monkeypatch, capsys, target, line, named):
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "words.csv": b"a,b\n",
        "empty.npy": b"",
        "noise.npz": bytes(range(256)),
        "steps.csv": b"1\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "pickle.npy", np.array([{}], object))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(line.format(target=target).split()) == 1
    said = capsys.readouterr().err
    assert named in said
    assert said.startswith("carousel: ")
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before  # nothing half-made is left


def test_an_export_that_the_disk_does_not_take_leaves_nothing(repository, tmp_path):
    """A limit on the size of files is what a full disk is to the process: a write that fails."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200 << 10, 200 << 10))

    command = [sys.executable, "-m", "carousel", "export", repository / "lstm128" / "own.keras"]
    done = subprocess.run(
        [*command, "--repository", tmp_path / "new" / "repository", "--name", "m"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("carousel: ")]
    assert len(said) == 1
    assert "File too large" in said[0]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_sigterm_finishes_what_was_admitted_and_ends_with_status_zero(only):
    command = [sys.executable, "-m", "carousel", "serve", "--repository", str(only("small")), "--host", "127.0.0.1"]
    loopback = ["--port", "0", "--http-host", "127.0.0.1", "--http-port", "0", "--drain-notice-seconds", "0"]
    process = subprocess.Popen([*command, *loopback], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        target, page = process.stdout.readline().removeprefix("gRPC on ").strip().split(", metrics on ")
        with Client(target) as client, ThreadPoolExecutor(1) as asking:
            client.wait_until_serving(timeout=60)
            assert not running(page)
            steps = np.ones((900_000, 3), np.float32)
            answer = asking.submit(client.predict, "small", [steps], return_sequences=True, timeout=60)
            while not running(page) and not answer.done():
                pass
            assert not answer.done()
            process.send_signal(signal.SIGTERM)
            assert answer.result()[0].output.shape == (900_000, 2)
        assert process.wait(30) == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def running(page):
    [gauge] = re.findall(r"^carousel_sequences_running\{.*\} (.*)$", urlopen(page).read().decode(), re.MULTILINE)
    return float(gauge)
