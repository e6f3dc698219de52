"""`python -m nanotrigger.convert model.onnx folder`: alkaid's own `convert`, with all its options, for QONNX files.

alkaid 0.8.2's command knows files by their ending and refuses `.onnx` before it asks its front ends; this traces the file
with ours and hands the adder graph over in alkaid's own format.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nanotrigger.errors import NanotriggerError
from nanotrigger.tools.run import environment
from nanotrigger.tools.verilator import provide


def main(arguments: list[str] | None = None) -> int:
    from alkaid._cli.convert import _add_convert_args, convert_main
    from alkaid.trace import HWConfig, trace

    from nanotrigger.qonnx.adder_graph import QONNXTracer
    from nanotrigger.qonnx.execute import load_model

    parser = argparse.ArgumentParser(description=__doc__)
    _add_convert_args(parser)
    options = parser.parse_args(arguments)
    kif = tuple(options.inputs_kif) if options.inputs_kif else None
    try:
        tracer = QONNXTracer(
            load_model(options.model), HWConfig(*options.hw_config), {"hard_dc": options.delay_constraint}
        )
        graph = trace(*tracer.trace(inputs_kif=kif), optimize=not options.no_opt)
    except NanotriggerError as error:
        print(f"nanotrigger: {error}", file=sys.stderr)
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
