from nanotrigger.job import job
from nanotrigger.results.export import export_model

with job(snakemake) as plan:
    model = plan.models[snakemake.wildcards.model]
    export_model(
        plan.stanzas[model.stanza].module,
        model,
        int(snakemake.wildcards.seed),
        trained=snakemake.input.trained,
        vectors=snakemake.input.vectors,
        output=snakemake.output,
    )
