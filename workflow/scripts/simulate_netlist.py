from nanotrigger.job import job
from nanotrigger.results.designs import simulate_netlist

with job(snakemake) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    simulate_netlist(flow, snakemake.input, snakemake.output.netlist, snakemake.output.files)
