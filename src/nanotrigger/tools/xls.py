"""Google's XLS compiler, from the wheel xls-python, in a process of its own: a hang is stopped and a crash is an error.

As a program (`python -m nanotrigger.tools.xls graph.json.gz pipeline.json`) it reads an alkaid graph and the options of the
pipeline, and writes XLS' optimised IR and its Verilog beside them.
"""

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.tools.run import run_tool

PACKAGE = "xls-python"
GRAPH, OPTIONS, LOG, VERILOG, IR = "graph.json.gz", "pipeline.json", "xls.log", "pipeline.v", "optimised.ir"

CLOCK = "cannot achieve the specified clock period"
STAGES = re.compile(r"Try `--pipeline_stages=(\d+)`")
FEASIBLE = re.compile(r"^feasible clock_period_ps=(\d+)$", re.MULTILINE)


def xls_version() -> str:
    """Version of the wheel. Raises ToolError if it is not installed."""
    try:
        return f"xls-python {version(PACKAGE)}"
    except PackageNotFoundError:
        raise ToolError(f"{PACKAGE} is not installed: pip install {PACKAGE}") from None


def compile_pipeline(
    folder: Path,
    graph: Any,
    name: str,
    *,
    clock_ns: float,
    delay_model: str,
    pipeline_stages: int | None,
    timeout_s: float,
) -> Path:
    """Optimise and schedule an alkaid CombLogic as a pipeline with registered ports; return the Verilog in `folder`.

    name: of the module, whose ports are clk, model_inp and model_out. delay_model: one of XLS' own. pipeline_stages: clock
    cycles between the ports' registers, with equal shares of the logic; as few as the clock allows if None.
    Raises ToolError naming the key if no schedule meets the clock, or if XLS crashes or takes too long.
    """
    xls_version()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (VERILOG, IR):
        (folder / stale).unlink(missing_ok=True)
    graph.save(folder / GRAPH)
    schedule = {
        "clock_period_ps": max(1, round(clock_ns * 1000)),
        "delay_model": delay_model,
        "pipeline_stages": pipeline_stages,
    }
    (folder / OPTIONS).write_text(json.dumps({"name": name, "schedule": schedule}, indent=1))
    try:
        run_tool([Path(sys.executable).name, "-m", __name__, GRAPH, OPTIONS], folder, LOG, timeout_s)
    except ToolError:
        log = (folder / LOG).read_text(errors="replace")
        where = f"{folder / LOG}: XLS finds no schedule"
        if stages := STAGES.search(log):
            raise ToolError(
                f"{where} of pipeline_stages = {pipeline_stages} at clock_ns = {clock_ns:g}: it needs {stages[1]}. Leave "
                f"pipeline_stages out, raise it to {stages[1]}, or raise clock_ns."
            ) from None
        if CLOCK in log:
            fits = FEASIBLE.search(log)
            remedy = f"{int(fits[1]) / 1000:g} can be met" if fits else "even far longer periods do not help"
            raise ToolError(
                f"{where} at clock_ns = {clock_ns:g}: one operation alone takes longer in its delay model {delay_model}; "
                f"{remedy}. Raise clock_ns."
            ) from None
        raise
    return folder / VERILOG


def main(graph: str, options: str) -> None:
    """Compile in the current folder. An error of XLS ends the program with XLS' own message."""
    from alkaid.codegen.xls.xls_codegen import build_xls_function
    from alkaid.types import CombLogic

    read = json.loads(Path(options).read_text())
    package, _ = build_xls_function(CombLogic.load(graph), read["name"])
    Path(IR).write_text(package.to_string())
    try:
        verilog = _schedule(read["name"], read["schedule"])
        if read["schedule"]["pipeline_stages"]:
            # with a clock XLS fills the first stages up to it and leaves the last ones empty; without one it balances them
            verilog = _schedule(read["name"], {**read["schedule"], "clock_period_ps": None})
        Path(VERILOG).write_text(verilog)
    except RuntimeError as error:
        if CLOCK in str(error) and (period := _feasible_period_ps(read)):
            print(f"feasible clock_period_ps={period}")
        sys.exit(str(error))


def _schedule(name: str, schedule: dict[str, Any]) -> str:
    """Verilog of the optimised IR in the current folder."""
    from xls.c_api import parse_ir_package

    package = parse_ir_package(Path(IR).read_text())  # scheduling changes a package: each begins with a fresh one
    package.set_top(name)
    result = package.schedule_and_codegen(
        with_delay_model=True,
        generator="pipeline",
        module_name=name,
        output_port_name="model_out",
        flop_inputs=True,
        flop_outputs=True,
        use_system_verilog=False,
        **schedule,
    )
    return result.get_verilog_text()


def _feasible_period_ps(read: dict[str, Any]) -> int | None:
    """The first clock period that has a schedule, doubling from the one that has none; None up to 64 times that."""
    schedule = read["schedule"]
    for doubling in range(1, 7):
        period = schedule["clock_period_ps"] * 2**doubling
        try:
            _schedule(read["name"], {**schedule, "clock_period_ps": period})
        except RuntimeError:
            continue
        return period
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
