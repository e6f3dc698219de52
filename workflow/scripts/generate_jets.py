from pathlib import Path

from nanotrigger.data.chunks import write_chunk
from nanotrigger.data.pythia import generate_jets
from nanotrigger.job import job

with job(snakemake):
    label, chunk = snakemake.wildcards.label, int(snakemake.wildcards.chunk)
    jets = generate_jets(label, snakemake.params.jets, chunk=chunk, **snakemake.params.options)
    write_chunk(Path(snakemake.output[0]), jets)
