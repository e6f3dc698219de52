from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.sweeps import collect_sweeps

with job(snakemake) as plan:
    collect_sweeps(plan, list(snakemake.input.parts), Path(snakemake.output[0]))
