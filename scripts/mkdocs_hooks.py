"""Adds README, CHANGELOG, LICENSE, the pictures of all pages, and each method's cost to the documentation site.

In the repository these files link to each other by path. On the site such a link points to the page of the file. The
site has no source code, so a link to source code becomes plain text. The costs come from the page of access patterns.
"""

import html
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "LICENSE": "LICENSE"}
_PICTURES = (".png", ".svg")
_ACCESS_PATTERNS = "reference/access-patterns.md"
_METHOD = re.compile(
    r'<h\d id="wikibot_store\.(?:daos\.(?P<dao>\w+)\.\w+|WikibotStore)\.(?P<method>\w+)"'
    r' class="doc doc-heading">.*?</h\d>',
    re.DOTALL,
)
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change each link to point to its target on the site."""
    uri = page.file.src_uri
    source = next((source for source, name in PAGES.items() if name == uri), f"docs/{uri}")

    def resolved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
        if path.startswith("docs/") or path in PAGES:
            target = PAGES.get(path, path.removeprefix("docs/"))
        elif path.endswith(_PICTURES) and (ROOT / path).is_file():
            target = path
            if files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
        elif (ROOT / path).exists():
            return link["text"]
        else:
            return link[0]  # a broken link: MkDocs reports it
        relative = posixpath.relpath(target, posixpath.dirname(uri))
        return f"{link['picture']}[{link['text']}]({relative}{link['anchor'] or ''})"

    return _LINK.sub(resolved, markdown)


def on_page_content(content: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show below each method what it costs."""
    del config, files
    if page.file.src_uri not in {"reference/daos.md", "reference/store.md"}:
        return content
    costs = method_costs((ROOT / "docs" / _ACCESS_PATTERNS).read_text())

    def with_cost(heading: re.Match[str]) -> str:
        cost = costs.get(f"{heading['dao'] or 'store'}.{heading['method']}")
        if cost is None:
            return heading[0]
        return f'{heading[0]}<p class="cost"><a href="access-patterns.html">Cost</a>: {html.escape(cost)}</p>'

    return _METHOD.sub(with_cost, content)


def method_costs(access_patterns: str) -> dict[str, str]:
    """Return the last column of the table by the methods that its first column names."""
    costs: dict[str, str] = {}
    names: list[str] = []
    for operation, cost in re.findall(r"^\| (.*?`.*?) \|.*\| (.*?) \|$", access_patterns, re.MULTILINE):
        calls = re.findall(r"`([\w.]+)(.*?)`", operation)
        if operation.startswith("…"):  # a variant of the row above
            for name in names:
                costs[name] += f"; with {operation.strip('… `')}: {cost}".replace("`", "")
            continue
        owner = calls[0][0].partition(".")[0]
        names = [call if "." in call else f"{owner}.{call}" for call, _ in calls]
        for name, (_, arguments) in zip(names, calls, strict=True):
            said = f"{cost} with {arguments.strip('()')}" if arguments.strip("()") else cost
            costs[name] = f"{costs[name]}; else {said}" if name in costs else said.replace("`", "")
    return costs
