from nanotrigger.job import job
from nanotrigger.results.paper_tables._fill import write_table

with job(snakemake) as plan:
    write_table(snakemake.wildcards.paper_table, plan, snakemake.input, snakemake.output)
