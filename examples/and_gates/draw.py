from nanotrigger.job import job
from nanotrigger.plots._style import draw

with job(snakemake) as plan:
    draw("examples.and_gates.figure", plan, snakemake.input, snakemake.output)
