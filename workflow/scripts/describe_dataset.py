from nanotrigger.data.summary import write_dataset_table
from nanotrigger.job import job

with job(snakemake):
    write_dataset_table(snakemake.input.data, snakemake.output[0])
