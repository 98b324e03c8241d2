"""`wikibot-store sweep` and `user reconcile`: find and repair what crashes and restores left behind."""

import shlex
from collections import Counter
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from wikibot_store.cli._app import Options, app, user, with_options
from wikibot_store.cli._output import console, note, print_json, print_table, shows_progress
from wikibot_store.cli.tables import existing_tables
from wikibot_store.schema import TABLES
from wikibot_store.store import WikibotStore
from wikibot_store.workflows.sweep import Finding, FindingKind, SweepPage


@app.command("sweep", epilog="Example: wikibot-store sweep --apply --max-rcu 50")
@with_options
def sweep(
    options: Options,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Repair what is found; without it, only report.")] = False,
    max_rcu: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The most read units to use per second, approximately.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="POSITION", help="The position that a sweep printed when it was cut off.")
    ] = None,
) -> None:
    """Search the tables for what crashes and restores left behind; repair it with --apply.

    It finds wikis and users that are half deleted, wikis that have half moved, wikis and claims without users, users
    without claims, wrong wiki counts, grants without a user or a wiki, and items that do not decode.

    It is safe beside a running service. Run it without --apply first. The exit status is 1 if anything is left that was
    not repaired.
    """
    pages: list[SweepPage] = []

    async def work(store: WikibotStore) -> None:
        with Progress(console=console(), transient=True, disable=not shows_progress(json=options.json)) as progress:
            tasks = {
                name: progress.add_task(name, total=total) for name, total in (await sizes(options, store)).items()
            }
            async for page in store.admin.sweep(apply=apply, max_rcu=max_rcu, resume=resume):
                pages.append(page)
                progress.advance(tasks[page.table], page.scanned)

    try:
        options.run(work)
    finally:  # report what was found and repaired before an error or Ctrl-C
        _report(options, pages)
    if any(not finding.repaired for page in pages for finding in page.findings):
        raise typer.Exit(1)


async def sizes(options: Options, store: WikibotStore) -> dict[str, int | None]:
    """Return about how many items each table has, if a progress bar shows it."""
    if not shows_progress(json=options.json):
        return {schema.name: None for schema in TABLES}
    counts = {table["TableName"]: table["ItemCount"] for table in await existing_tables(store)}
    return {schema.name: counts.get(store.config.table_name(schema.name)) or None for schema in TABLES}


def _report(options: Options, pages: list[SweepPage]) -> None:
    if not pages:  # the error says everything
        return
    findings = [finding for page in pages for finding in page.findings]
    resume = pages[-1].resume
    if options.json:
        print_json({"scanned": _scanned(pages), "findings": msgspec.to_builtins(findings), "resume": resume})
    elif findings:
        print_table(("finding", "table", "key", "state"), [_row(finding) for finding in findings])
        print()
        print_table(("finding", "found", "repaired", "left"), _summary(findings))
    else:
        print(f"nothing found in {sum(_scanned(pages).values())} items")
    if resume is not None and not options.json:
        note(f"cut off: continue with --resume {shlex.quote(resume)}")


def _scanned(pages: list[SweepPage]) -> Counter[str]:
    scanned: Counter[str] = Counter()
    for page in pages:
        scanned[page.table] += page.scanned
    return scanned


def _row(finding: Finding) -> tuple[str, ...]:
    state = "repaired" if finding.repaired else finding.problem or "repair it with --apply"
    return finding.kind, finding.table, " ".join(finding.key.values()), state


def _summary(findings: list[Finding]) -> list[tuple[Any, ...]]:
    found = Counter(finding.kind for finding in findings)
    repaired = Counter(finding.kind for finding in findings if finding.repaired)
    return [(kind, found[kind], repaired[kind], found[kind] - repaired[kind]) for kind in FindingKind if found[kind]]


@user.command("reconcile", epilog="Example: wikibot-store user reconcile 3f0c")
@with_options
def reconcile(options: Options, user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")]) -> None:
    """Count a user's wikis and store the number.

    `sweep --apply` does this for all users. It is safe while wikis are created and deleted.
    """
    wikis = options.run(lambda store: store.admin.reconcile_wiki_count(user_id))
    if options.json:
        print_json({"id": user_id, "wiki_count": wikis})
        return
    print(f"{user_id}: {wikis} {'wiki' if wikis == 1 else 'wikis'}")
