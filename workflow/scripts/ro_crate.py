from nanotrigger.job import job
from nanotrigger.results.ro_crate import write_crate

with job(snakemake):
    write_crate(snakemake.input.provenance, snakemake.output[0])
