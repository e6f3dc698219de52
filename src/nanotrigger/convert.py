"""The command `alkaid` of this environment: alkaid's own, whose `convert` takes QONNX files as well.

alkaid 0.8.2 knows files by their ending and refuses `.onnx` before it asks its front ends. Here such a file is traced with
ours, and its adder graph handed over in alkaid's own format; everything else goes to alkaid as it is.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nanotrigger.errors import NanotriggerError


def main(arguments: list[str] | None = None) -> int:
    """As `alkaid`, with its arguments. Returns the exit status; a file that cannot be built is one clear message."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["convert"] and any(a.endswith(".onnx") for a in arguments):
        return convert(arguments[1:])
    from alkaid._cli import main as alkaid

    sys.argv = ["alkaid", *arguments]
    return alkaid() or 0


def convert(arguments: list[str]) -> int:
    """`alkaid convert` of a QONNX file, with all its options."""
    import argparse

    from alkaid._cli.convert import _add_convert_args, convert_main
    from alkaid.trace import HWConfig, trace

    from nanotrigger.qonnx.adder_graph import QONNXTracer
    from nanotrigger.qonnx.execute import load_model
    from nanotrigger.tools.run import environment
    from nanotrigger.tools.verilator import provide

    parser = argparse.ArgumentParser(prog="alkaid convert", description=__doc__)
    _add_convert_args(parser)
    options = parser.parse_args(arguments)
    kif = tuple(options.inputs_kif) if options.inputs_kif else None
    try:
        solver = {"hard_dc": options.delay_constraint}
        tracer = QONNXTracer(load_model(options.model), HWConfig(*options.hw_config), solver)
        graph = trace(*tracer.trace(inputs_kif=kif), optimize=not options.no_opt)
    except NanotriggerError as error:
        print(f"alkaid: {error}", file=sys.stderr)
        return 1
    for note in tracer.notes:
        print(f"note: {note}")
    with TemporaryDirectory() as folder:
        options.model = Path(folder) / "model.json.gz"
        graph.save(options.model)
        with environment(provide(Path(folder) / "bin")):
            convert_main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
