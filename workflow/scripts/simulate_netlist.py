from nanotrigger.job import job
from nanotrigger.results.designs import simulate_netlist

with job(snakemake) as plan:
    source = snakemake.input
    flow = plan.flows[snakemake.wildcards.flow]
    simulate_netlist(flow, source.project, source.vectors, source.outputs, source.synthesis, snakemake.output[0])
