from nanotrigger.job import job
from nanotrigger.plots._style import draw

with job(snakemake) as plan:
    draw(snakemake.wildcards.figure, plan, snakemake.input, snakemake.output)
