"""Adds to the documentation site what is outside of docs/: README, CHANGELOG, LICENSE, and pictures.

In the repository these files link to each other by path. On the site such a link leads to the page that is made from
the file. A link to source code, which is not part of the site, becomes plain text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "LICENSE": "LICENSE"}
_PICTURES = (".png", ".svg")
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are outside of docs/."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace paths in the repository by paths on the site."""
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
            return link[0]  # a broken link, which MkDocs reports
        relative = posixpath.relpath(target, posixpath.dirname(uri))
        return f"{link['picture']}[{link['text']}]({relative}{link['anchor'] or ''})"

    return _LINK.sub(resolved, markdown)
