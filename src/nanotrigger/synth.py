"""`python -m nanotrigger.synth model.onnx`: one QONNX file through the flows, without writing a config."""

import argparse
import re
import sys
from pathlib import Path

import yaml

from nanotrigger import run


def overlay(options: argparse.Namespace) -> dict:
    """The configuration that `options` stand for, to be laid over config/config.yaml."""
    name = re.sub(r"\W", "_", Path(options.model).stem, flags=re.ASCII)[:50]
    name = name if name[:1].isalpha() else f"m_{name}"
    keys = {"path": options.model, "input": options.input, "vectors": options.vectors}
    stanza = {"method": "external", **{key: value for key, value in keys.items() if value}}
    settings = {
        "name": f"synth_{name}",
        "dataset": None,
        "models": [name],
        "flows": options.flows.split(","),
        "seeds": [0],
    }
    return {"run": settings, "models": {name: stanza}}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="the .onnx file: QONNX, or QCDQ")
    parser.add_argument("--input", help="format of an input that the file does not quantise, as fixed<16,6>")
    parser.add_argument("--vectors", help="an .npz file with x and, if known, y; random numbers if absent")
    parser.add_argument("--flows", default="rtl", help="flows of config/config.yaml, joined by commas")
    parser.add_argument("--cores", default="all")
    options, extra = parser.parse_known_args(arguments)
    content = overlay(options)
    path = Path("results") / content["run"]["name"] / "overlay.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return run.main(["--configfile", str(path), "--cores", options.cores, *extra])


if __name__ == "__main__":
    sys.exit(main())
