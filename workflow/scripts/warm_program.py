from pathlib import Path

from nanotrigger.job import job
from nanotrigger.tools.run import run_tool

with job(snakemake):
    output = Path(snakemake.output[0])
    run_tool([snakemake.wildcards.program, "-V"], output.parent, output.name, timeout_s=900)
