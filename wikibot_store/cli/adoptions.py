"""`wikibot-store adopt`: fill in what items of other programs lack."""

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from wikibot_store.cli._app import Options, app, with_options
from wikibot_store.cli._output import console, note, print_json, print_table, shows_progress
from wikibot_store.cli.sweeps import sizes
from wikibot_store.store import WikibotStore
from wikibot_store.workflows.adoption import AdoptPage, Undecided, UndecidedKind

_MOST_SHOWN = 50


class _RateColumn(TextColumn):
    """How many items are done per second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """Return the rate."""
        return Text(f"{task.speed or 0:,.0f}/s")


@dataclass(kw_only=True)
class _Tally:
    """What an adoption has done so far."""

    scanned: Counter[str] = field(default_factory=Counter)
    incomplete: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    undecided: list[Undecided] = field(default_factory=list)
    resume: str | None = None

    def add(self, page: AdoptPage) -> None:
        """Count a page."""
        self.scanned[page.table] += page.scanned
        self.incomplete[page.table] += page.incomplete
        self.completed[page.table] += page.completed
        self.undecided += page.undecided
        self.resume = page.resume

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.undecided and self.incomplete == self.completed


@app.command("adopt", epilog="Example: wikibot-store adopt --apply --max-wcu 200")
@with_options
def adopt(
    options: Options,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Fill in what is missing; without it, only report.")] = False,
    max_rcu: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The most read units to use per second, approximately.")
    ] = None,
    max_wcu: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The most write units to use per second, approximately.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="POSITION", help="The position that it printed when it was cut off.")
    ] = None,
) -> None:
    """Fill in what items of other programs lack; without --apply, only report it.

    Users get version, status, count and claims, wikis their uid, grants the uid of their wiki. Times are stored in one
    form, and the time at which a grant expires in seconds. Readers see the same as before.

    It is safe beside a running service and other programs that write. Run it without --apply first. The exit status is
    1 if anything is left to do, also for a person.
    """
    tally = _Tally()

    async def work(store: WikibotStore) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
        )
        is_hidden = not shows_progress(json=options.json)
        with Progress(*columns, console=console(), transient=True, disable=is_hidden) as progress:
            totals = await sizes(options, store)
            tasks = {name: progress.add_task(name, total=total, start=False) for name, total in totals.items()}
            async for page in store.admin.adopt(apply=apply, max_rcu=max_rcu, max_wcu=max_wcu, resume=resume):
                tally.add(page)
                progress.start_task(tasks[page.table])
                progress.advance(tasks[page.table], page.scanned)

    try:
        options.run(work)
    finally:  # report what was done before an error or Ctrl-C
        _report(options, tally, apply=apply)
    if not tally.is_done:
        raise typer.Exit(1)


def _report(options: Options, tally: _Tally, *, apply: bool) -> None:
    if not tally.scanned:  # the error says everything
        return
    kinds = Counter(undecided.kind for undecided in tally.undecided)
    if options.json:
        counts = {"scanned": tally.scanned, "incomplete": tally.incomplete, "completed": tally.completed}
        print_json({**counts, "undecided": msgspec.to_builtins(tally.undecided), "resume": tally.resume})
    else:
        rows = [
            (name, tally.scanned[name], tally.incomplete[name], tally.completed[name], _left(tally, name))
            for name in tally.scanned
        ]
        print_table(("table", "scanned", "incomplete", "completed", "left"), rows)
        if not apply and tally.incomplete.total():
            note("nothing was written: fill it in with --apply")
        _print_undecided(tally, kinds)
    if tally.resume is not None:
        note(f"cut off: continue with --resume {shlex.quote(tally.resume)}")


def _left(tally: _Tally, name: str) -> int:
    return tally.incomplete[name] - tally.completed[name]


def _print_undecided(tally: _Tally, kinds: Counter[UndecidedKind]) -> None:
    if not kinds:
        return
    print("\na person has to decide:")
    print_table(("what", "items"), [(kind, kinds[kind]) for kind in UndecidedKind if kinds[kind]])
    print()
    shown = tally.undecided[:_MOST_SHOWN]
    print_table(
        ("what", "table", "key", "why"),
        [(one.kind, one.table, " ".join(one.key.values()), one.problem) for one in shown],
    )
    if len(tally.undecided) > len(shown):
        note(f"and {len(tally.undecided) - len(shown)} more: --json prints all of them")
