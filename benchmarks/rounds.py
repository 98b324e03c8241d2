"""Runs the rounds of the benchmark. In each round every library runs once, one after the other, in a new process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import works
from benchmarks.contenders import BARE, NOTHING, OURS, Contender, Endpoint
from benchmarks.engine import engine
from benchmarks.processes import Server, canned_server, cores
from benchmarks.worker import Job, Outcome

GUARDS = "guards"
_UNCHECKED = (NOTHING, *BARE)
_REGION = "us-east-1"
_PATIENCE = 300
_FROM_OUTSIDE = ("AWS_", "WIKIBOT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Setting:
    """The event loop and the scheme, which are the same for all libraries."""

    loop: str
    scheme: str

    def __str__(self) -> str:
        """Return the setting as the tables show it."""
        return f"{self.loop}, {self.scheme}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of comparison: the module that measures one library, the figure that is compared, and the defaults."""

    name: str
    module: str
    main: str
    works: tuple[str, ...]
    rounds: int
    seconds: float
    latency: float = 0.0
    software: tuple[str, ...] = ("uvloop",)


CALLS = Kind(
    name="canned",
    module="benchmarks.worker",
    main="cpu_us",
    works=(works.STREAM, *works.BY_NAME),
    rounds=3,
    seconds=0.2,
)
ENGINE = replace(CALLS, name="engine")
BACKEND = Kind(
    name="backend",
    module="benchmarks.backend",
    main="wall_us",
    works=works.LINES,
    rounds=5,
    seconds=1.0,
    software=("starlette", "uvicorn", "httptools", "uvloop"),
)
SCALE = Kind(
    name="scale",
    module="benchmarks.scale",
    main="wall_us",
    works=(*works.READERS, *works.STREAMS, *works.SWEEPS),
    rounds=3,
    seconds=0.3,
    latency=0.005,
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and for how long."""

    kind: Kind = CALLS
    contenders: tuple[Contender, ...]
    works: tuple[str, ...]
    settings: tuple[Setting, ...]
    rounds: int
    seconds: float
    wikis: int
    latency: float = 0.0
    longest: float = 0.0
    guards: bool = True


@dataclass(frozen=True)
class Run:
    """The result of one process, and the most connections that it had open at once, if the server counts them."""

    setting: Setting
    contender: str
    outcome: Outcome
    connections: int = 0


def play(plan: Plan) -> Iterator[Run]:
    """Run the plan and yield each result. The run named GUARDS measures the store alone."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        filled = stack.enter_context(engine(plan.wikis)) if plan.kind == ENGINE else None
        for number, setting in product(range(1, plan.rounds + 1), plan.settings):
            for name, selected in _line_up(plan, setting):
                print(f"round {number} of {plan.rounds}: {setting}: {name}", file=sys.stderr, flush=True)
                serving = _canned(plan, setting, folder) if filled is None else nullcontext(filled)
                with serving as server:
                    module = "benchmarks.guards" if name == GUARDS else plan.kind.module
                    outcome = measure(_job(plan, setting, name, selected, server), module)
                yield Run(setting, name, outcome, server.connections)


def _line_up(plan: Plan, setting: Setting) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each library of a round with its workloads; then the guards, on the last setting only."""
    for contender in plan.contenders:
        selected = tuple(filter(contender.does, plan.works))
        if selected and contender.version() is not None:
            yield contender.name, selected
    if plan.guards and setting == plan.settings[-1]:
        yield GUARDS, ()


def _canned(plan: Plan, setting: Setting, folder: Path) -> AbstractContextManager[Server]:
    tls = folder if setting.scheme == "https" else None
    return canned_server(core=cores()[1], tls=tls, latency=plan.latency)


def _job(plan: Plan, setting: Setting, name: str, selected: tuple[str, ...], server: Server) -> Job:
    return Job(
        contender=OURS if name == GUARDS else name,
        works=selected,
        endpoint=Endpoint(server.url, _REGION, server.authority),
        check=plan.kind != ENGINE and name not in _UNCHECKED,
        loop=setting.loop,
        core=cores()[0],
        server_core=cores()[1],
        seconds=plan.seconds,
        wikis=plan.wikis,
        longest=plan.longest,
    )


def measure(job: Job, module: str = "benchmarks.worker") -> Outcome:
    """Run a job in a new process. If it fails, the outcome holds the reason."""
    try:
        ended = subprocess.run(  # noqa: S603 - the project's own code
            [sys.executable, "-m", module, job.encode()],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            env=_environment(job.endpoint),
            check=True,
        )
    except subprocess.TimeoutExpired:
        return Outcome(failures={works.COLD_START: f"did not end within {_PATIENCE} s"})
    except subprocess.CalledProcessError as error:
        last_words = error.stderr.strip().rpartition("\n")[2]
        return Outcome(failures={works.COLD_START: f"ended with status {error.returncode}: {last_words}"})
    return Outcome(**json.loads(ended.stdout.splitlines()[-1]))


def _environment(endpoint: Endpoint) -> dict[str, str]:
    """Return the environment of this process, with the AWS settings of the benchmark."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FROM_OUTSIDE)}
    environment |= {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": endpoint.region,
        "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if endpoint.authority is not None:
        # The first variable is for botocore, the second for OpenSSL and some Rust libraries.
        environment |= {"AWS_CA_BUNDLE": str(endpoint.authority), "SSL_CERT_FILE": str(endpoint.authority)}
    return environment
