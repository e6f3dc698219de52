from nanotrigger.job import job
from nanotrigger.results.provenance import write_provenance

with job(snakemake) as plan:
    write_provenance(plan, snakemake.input.outputs, snakemake.output[0])
