"""The README's code runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_example_prints_what_it_says() -> None:
    """The example creates, is refused a duplicate, grants, authorizes and lists."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - the project's own code

    refusal, listing = run.stdout.splitlines()
    assert refusal.startswith("already exists (wiki_slug is taken)")
    assert listing == "True editor ['notes'] None"
