"""Why the store has no second transport: the fastest client there is aborts the interpreter at its end.

    python -m benchmarks.second_transport [--runs NUMBER] [--version VERSION] [--python PYTHON]

It installs pyreqwest, a client in Rust, into a throw-away environment, lets short processes use it one after another,
and counts those that end by a signal although they closed their client. Then it prints what a request costs. Once no
process is aborted any more, pyreqwest is worth another look.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

from benchmarks.contenders import FLOOR, OURS, Endpoint
from benchmarks.processes import canned_server, cores, pin
from benchmarks.rounds import measure
from benchmarks.worker import Job
from benchmarks.works import POINT_READ

_CLIENT = Path(__file__).with_name("pyreqwest_client.py")
_SHORT = 200
_LONG = 5_000
_ROUNDS = 5


def install(folder: Path, python: str, version: str) -> Path:
    """Make an environment with pyreqwest in it; return its interpreter."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)  # noqa: S603 - the user's own interpreter
    interpreter = folder / "bin" / "python"
    command = [
        str(interpreter),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        f"pyreqwest=={version}",
    ]
    subprocess.run(command, check=True)  # noqa: S603 - in the environment that was just made
    return interpreter


def use(interpreter: Path, url: str, calls: int, pause: float) -> tuple[int, float]:
    """Run one process; return its exit status and the CPU of a request in microseconds."""
    command = [str(interpreter), str(_CLIENT), url, str(calls), str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the project's own code
    return done.returncode, float(done.stdout)


def ends(interpreter: Path, url: str, runs: int, pause: float) -> str:
    """Return how so many processes ended, in words."""
    counts = Counter(use(interpreter, url, _SHORT, pause)[0] for _ in range(runs))
    return ", ".join(
        f"{count} of {runs} ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"
        for status, count in sorted(counts.items())
    )


def cost_on_aiohttp(contender: str, url: str) -> float:
    """Return the CPU of a point read in microseconds, measured as the benchmark does."""
    job = Job(
        contender=contender,
        works=(POINT_READ.name,),
        endpoint=Endpoint(url, "us-east-1"),
        check=False,
        loop="asyncio",
        core=cores()[0],
        seconds=1.0,
        wikis=0,
    )
    return measure(job).figures[POINT_READ.name]["cpu_us"]


def main() -> None:
    """Read the arguments, count and compare."""
    parser = argparse.ArgumentParser(description="See whether pyreqwest is safe to use by now.")
    parser.add_argument("--runs", type=int, default=60, help="processes to count over")
    parser.add_argument("--version", default="0.15.1", help="the release of pyreqwest")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the processes")
    arguments = parser.parse_args()
    client_core, server_core = cores()
    with tempfile.TemporaryDirectory() as folder, canned_server(core=server_core, tls=None) as server:
        interpreter = install(Path(folder), arguments.python, arguments.version)
        print(f"client closed: {ends(interpreter, server.url, arguments.runs, 0.0)}")
        print(f"client closed, then 0.2 s of waiting: {ends(interpreter, server.url, arguments.runs, 0.2)}")
        pin(client_core)  # only now: on one core the threads of a process do not meet
        costs: dict[str, list[float]] = {"pyreqwest, bytes": [], "aiohttp, bytes": [], "wikibot_store, models": []}
        for _ in range(_ROUNDS):
            costs["pyreqwest, bytes"].append(use(interpreter, server.url, _LONG, 0.2)[1])
            costs["aiohttp, bytes"].append(cost_on_aiohttp(FLOOR, server.url))
            costs["wikibot_store, models"].append(cost_on_aiohttp(OURS, server.url))
    for name, rounds in costs.items():
        print(f"{name}: {median(rounds):.0f} µs of CPU per point read")


if __name__ == "__main__":
    main()
