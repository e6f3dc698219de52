"""What the page carries in itself, so that it opens without a network: pictures, styles and scripts."""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

PIXELS_PER_INCH = 96
"""CSS's own, in which the width of a picture is given."""

ENLARGED = 1.2
"""Figures are drawn for one column of a paper, and a screen is read from farther away."""


@dataclass(frozen=True)
class Picture:
    """A picture. url: its content; width, height: in CSS pixels, at the size it was drawn for, enlarged."""

    url: str
    width: int
    height: int


def data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(path: Path) -> Picture:
    """A PNG file. Raises NanotriggerError naming a file that is none."""
    from PIL import Image, UnidentifiedImageError

    from nanotrigger.errors import NanotriggerError

    try:
        with Image.open(path) as image:
            image.load()
            (width, height), dpi = image.size, float(image.info.get("dpi", (PIXELS_PER_INCH,))[0])
    except (OSError, UnidentifiedImageError) as error:
        raise NanotriggerError(f"{path}: not a readable picture ({error}). Delete it and run again.") from None
    scale = ENLARGED * PIXELS_PER_INCH / dpi
    return Picture(data_url("image/png", path.read_bytes()), round(width * scale), round(height * scale))


def own(name: str) -> str:
    """A file of this package's folder `static`."""
    return files("nanotrigger.report").joinpath("static", name).read_text(encoding="utf-8")


def data_tables() -> tuple[str, str]:
    """DataTables as the package itables bundles it (MIT licence, like itables): its module as a data URL, and its style."""
    from itables.options import dt_bundle

    script = Path(dt_bundle)
    return (
        data_url("text/javascript", script.read_bytes()),
        script.with_suffix(".css").read_text(encoding="utf-8"),
    )


def script_hash(text: str) -> str:
    """An inline script as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
