"""The picture of the architecture shows what is so."""

import re
from xml.etree import ElementTree as ET

from scripts.draw_architecture import PICTURE, draw

REDRAW = "the package imports something else than the picture shows: run `make docs` and commit docs/assets"


def test_the_picture_is_what_the_imports_are_now() -> None:
    """The committed picture is the one that the script draws."""
    assert PICTURE.read_text() == draw(), REDRAW


def test_arrows_point_down() -> None:
    """No arrow ends above its beginning: imports follow the layers."""
    picture = ET.fromstring(draw())  # noqa: S314 - the project's own
    lines = [path.get("d", "") for path in picture.iterfind(".//{*}path[@class='arrow']")]

    assert lines
    for line in lines:
        heights = [float(number) for number in re.findall(r"(?:V|M[\d.]+ )([\d.]+)", line)]
        assert heights == sorted(heights)
