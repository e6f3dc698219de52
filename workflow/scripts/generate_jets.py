import numpy as np

from nanotrigger.data.pythia import generate_jets
from nanotrigger.job import job

with job(snakemake):
    chunk = int(snakemake.wildcards.chunk)
    np.save(
        snakemake.output[0],
        generate_jets(snakemake.wildcards.label, snakemake.params.jets, snakemake.params.seed, chunk),
    )
