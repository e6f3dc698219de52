from nanotrigger.job import job
from nanotrigger.results.jets import write_jets_table

with job(snakemake):
    write_jets_table(snakemake.input.data, snakemake.output[0])
