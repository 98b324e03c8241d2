"""Rejects phrases that a reader has to read twice: `python -m scripts.check_prose`, as part of `make check`.

It reads the prose of all tracked files, also where a phrase continues on the next line. CHANGELOG.md is not checked.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FILES = ("*.html", "*.js", "*.md", "*.py", ":!CHANGELOG.md", ":!scripts/check_prose.py", ":!tests/test_prose.py")

PHRASES = {
    "as times the": "relative to",
    "at nobody": "not in any owner's wiki_count",
    "befalls": "happens to",
    "(?:come|comes) of it": "the result",
    "for as long as others": "while other writers win",
    "(?<!there )is no (?:answer|cursor|endpoint|environment|invitation|key|setting|user|wiki)": "is not a …",
    "(?<!there )is (?-i:none)(?=[.:;])": "name what is missing",
    "(?<!there )is nothing(?=[.:;])": "name what is missing",
    "is told (?:as|in|of|to|what)": "reports, explains, reads",
    "mend(?:s|ed)?": "repair",
    "no whole number": "not an integer",
    "plays? a day": "simulate a day",
    "says so where": "reports",
    "(?<!cannot )(?<!can )tells? whether": "return whether, find out whether, show whether",
    "tells? (?:the two |them )?apart": "distinguish",
    "tells what": "measures, returns or prints what",
    "the trouble of": "fails only the calls that …",
    "there is no such thing": "not found",
    "times the floor": "relative to the baseline",
    "what (?:cannot be|nobody can) (?:tell|told)": "if the store cannot tell",
}
"""Expressions with what to write instead. A space also matches a line break."""

_BREAK = re.compile(r"[ \t]*\n[ \t]*(?:#+|//)?[ \t]*")
_PATTERNS = {
    re.compile(r"\b(?:" + expression.replace(" ", r"\s") + r")(?!\w)", re.IGNORECASE): better
    for expression, better in PHRASES.items()
}


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Return each phrase that a text must not contain, with its line and with what to write instead."""
    text = _BREAK.sub("\n", text)
    for pattern, better in _PATTERNS.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match[0].replace("\n", " "), better


def main() -> int:
    """Check the tracked files; return the exit status."""
    listed = subprocess.run(["git", "ls-files", *_FILES], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607 - fixed
    found = 0
    for file in listed.stdout.splitlines():
        for line, phrase, better in sorted(findings((ROOT / file).read_text())):
            print(f'{file}:{line}: "{phrase}" is hard to read; write: {better}')
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
