from pathlib import Path

from nanotrigger.job import job
from nanotrigger.tools.run import run_tool
from nanotrigger.tools.yosys import PROGRAM

with job(snakemake):
    output = Path(snakemake.output[0])
    run_tool([PROGRAM, "-V"], output.parent, output.name, timeout_s=900)
