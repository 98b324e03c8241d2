"""The README's code runs as it is."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_example_prints_what_it_says() -> None:
    """The example prints exactly the output that the README shows."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README.read_text(), re.DOTALL)

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - the project's own code

    assert run.stdout == output
