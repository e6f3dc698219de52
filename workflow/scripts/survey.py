from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.sweeps import survey

with job(snakemake) as plan:
    survey(
        plan,
        snakemake.wildcards.stanza,
        int(snakemake.wildcards.chunk),
        trained=Path(snakemake.input.trained),
        vectors=Path(snakemake.input.vectors),
        output=Path(snakemake.output[0]),
    )
