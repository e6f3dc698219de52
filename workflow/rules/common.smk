"""What all rules share: the validated plan, and where things lie."""

import time
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from nanotrigger.config import load_config
from nanotrigger.data.sources import published_files
from nanotrigger.errors import NanotriggerError
from nanotrigger.flows.base import LICENCES
from nanotrigger.modules import discover
from nanotrigger.plan import make_plan
from nanotrigger.report.unfinished import write_unfinished_report
from nanotrigger.results.ablation import compared
from nanotrigger.results.unfinished import write_unfinished
from nanotrigger.tools.run import missing

DATASETS_TABLE = "config/datasets.csv"

try:
    PLAN = make_plan(load_config(config))
    DATA_STANZA = PLAN.config.datasets.get(PLAN.config.run.dataset)
    PUBLISHED, PUBLISHED_FILES = published_files(DATA_STANZA, Path(DATASETS_TABLE))
    if absent := missing(
        sorted(
            {
                program
                for flow in PLAN.flows.values()
                for program in flow.module.requires
            }
        )
    ):
        raise NanotriggerError(
            f"not installed: {', '.join(absent)}. Install them (Debian: g++, make and perl), or select other flows in run.flows."
        )
except NanotriggerError as error:
    raise WorkflowError(str(error)) from None

RUN = PLAN.config.run
STARTED = time.time()
RESULTS = f"results/{RUN.name}"
DATASET = f"{RESULTS}/data/{RUN.dataset}.h5" if RUN.dataset else []
LABELS = ("g", "q", "w", "z", "t")
SOURCES = Path(workflow.basedir) / "src/nanotrigger"
FIGURES = discover("nanotrigger.plots")
FLOW_PARAMS = {
    name: flow.params.model_dump(mode="json") for name, flow in PLAN.flows.items()
}
ROLES = {
    role
    for model in PLAN.models.values()
    for role in PLAN.stanzas[model.stanza].roles
    if role != "ablation" or compared(PLAN)
}


wildcard_constraints:
    stanza="|".join(PLAN.stanzas) or "none",
    model="|".join(map(re.escape, PLAN.models)) or "none",
    flow="|".join(PLAN.flows) or "none",
    figure="|".join(FIGURES),
    label="|".join(LABELS),
    seed=r"\d+",
    chunk=r"\d+",


def model_file(name: str) -> str:
    return f"{RESULTS}/models/{{model}}/seed{{seed}}/{name}"


def hardware_file(name: str) -> str:
    return f"{RESULTS}/hardware/{{model}}/seed{{seed}}/{{flow}}/{name}"


def logs(name: str, *wildcards: str) -> str:
    """Log of a rule's job, one for each value of its wildcards."""
    return f"logs/{RUN.name}/{Path(name, *(f'{{{w}}}' for w in wildcards))}.log"


def design_log(name: str, *wildcards: str) -> str:
    """The same of a model or a design, all in one folder: each would else have two more for every rule."""
    return f"logs/{RUN.name}/{name}/{','.join(f'{{{w}}}' for w in wildcards)}.log"


def benchmarks(name: str, *wildcards: str) -> str:
    """Time and memory of a rule's job."""
    return f"benchmarks/{RUN.name}/{Path(name, *(f'{{{w}}}' for w in wildcards))}.tsv"


@lru_cache(None)
def sources(*patterns: str) -> list[str]:
    """Files of the package that a rule's result depends on; an edit there reruns it, a new time stamp does not."""
    return sorted(str(path) for pattern in patterns for path in SOURCES.glob(pattern))


def find_step(wildcards):
    return next(
        step
        for step in PLAN.stanzas[wildcards.stanza].steps
        if step.output == wildcards.artifact
    )


def step_files(stanza: str) -> list[str]:
    """What a stanza's method makes before training."""
    return [
        f"{RESULTS}/training/{stanza}/{step.output}"
        for step in PLAN.stanzas[stanza].steps
    ]


def training_data(wildcards):
    return [] if PLAN.stanzas[wildcards.stanza].own_vectors else DATASET


def vectors(wildcards):
    """What a model is tested on: the dataset, or vectors of its own."""
    return stanza_vectors(PLAN.models[wildcards.model].stanza)


def stanza_vectors(stanza: str):
    own = f"{RESULTS}/training/{stanza}/vectors.npz"
    return own if PLAN.stanzas[stanza].own_vectors else DATASET


def method_sources(wildcards):
    return [
        PLAN.stanzas[wildcards.stanza].module.__file__,
        *sources(
            "training/*.py",
            "methods/base.py",
            "qonnx/fixed_point.py",
            "qonnx/kinds.py",
            "qonnx/costs.py",
            "qonnx/energy.py",
        ),
    ]


def gpus(wildcards) -> int:
    """What a training asks a cluster for; with `auto` it takes a GPU only where it happens to find one."""
    return PLAN.stanzas[wildcards.stanza].gpus if RUN.device.startswith("cuda") else 0


def trained(wildcards):
    """Folder with what the job trained that trained the model."""
    stanza = PLAN.models[wildcards.model].stanza
    return f"{RESULTS}/training/{stanza}/trained/{PLAN.chunks[wildcards.model]}"


def artifact(wildcards):
    """Where the file lies that a flow starts from: QONNX, or what else its method exports."""
    kind = PLAN.kinds[wildcards.model, wildcards.flow]
    return model_file("model.onnx" if kind == "qonnx" else "model").format(**wildcards)


def flow_sources(wildcards):
    return [
        PLAN.flows[wildcards.flow].module.__file__,
        *sources("flows/base.py", "flows/_*.py", "tools/*.py"),
    ]


def flow_params(wildcards):
    return FLOW_PARAMS[wildcards.flow]


def memory(megabytes: int):
    """Memory of a job in MB: that and more with every retry, for a job may have failed for want of it."""
    return lambda wildcards, attempt: megabytes * attempt


def licence(name: str):
    """How many licences of that name a design's synthesis takes."""

    def taken(wildcards) -> int:
        flow = PLAN.flows[wildcards.flow]
        licences = getattr(flow.module, "licences", None)
        return int(licences is not None and name in licences(flow.params))

    return taken


def batch_file(name: str, *wildcards: str) -> str:
    """List of the files of that name that the members of a batch have, in each flow if it is a wildcard."""
    folder = Path(*(f"{{{w}}}" for w in ("batch", *wildcards)))
    return f"{RESULTS}/provenance/batches/{folder}/{name}.list"


def over_models(name: str) -> list[str]:
    """A file of every model and seed of the run; in a run in batches their lists, which a job's script sees as the files."""
    if PLAN.batches:
        return expand(batch_file(name), batch=PLAN.batches)
    return expand(model_file(name), model=PLAN.models, seed=RUN.seeds)


def over_designs(name: str) -> list[str]:
    """A file of every design (model, seed and flow) that the run builds, or their lists."""
    if PLAN.batches:
        return [
            batch_file(name, "flow").format(batch=batch, flow=flow)
            for flow in PLAN.flows
            for batch, members in PLAN.batches.items()
            if any((model, flow) in PLAN.kinds for model, seed in members)
        ]
    return [
        hardware_file(name).format(model=p.model, flow=p.flow, seed=seed)
        for p in PLAN.pairs
        for seed in RUN.seeds
    ]


def reported() -> list[str]:
    """What a run ends with, and its report shows."""
    return [
        *TABLES,
        f"{RESULTS}/tables/golden.csv",
        *([f"{RESULTS}/tables/dataset.csv"] if RUN.dataset else []),
        *([f"{RESULTS}/checks.txt"] if PLAN.models else []),
        *FIGURE_FILES,
        *PAPER_FILES,
        f"{RESULTS}/config.yaml",
    ]


def run_outputs() -> list[str]:
    return [*reported(), f"{RESULTS}/report.html"]


def final_outputs() -> list[str]:
    return [*run_outputs(), f"{RESULTS}/provenance.json"]


def report_unfinished() -> Path:
    """The report of a run that failed."""
    return write_unfinished_report(
        PLAN, Path(RESULTS), Path("logs", RUN.name), STARTED, reported(), DESCRIBED
    )
