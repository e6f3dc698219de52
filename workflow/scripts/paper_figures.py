from nanotrigger.job import job
from nanotrigger.results.paper_figures import write_listing

with job(snakemake) as plan:
    write_listing(plan, snakemake.input, snakemake.output)
