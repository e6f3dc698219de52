"""What all rules share: the validated plan, and where things lie."""

import gc
import math
import time
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

import nanotrigger
from nanotrigger.batches import deal, number_of
from nanotrigger.config import laid_over, load_config
from nanotrigger.data.sources import published_files
from nanotrigger.errors import NanotriggerError
from nanotrigger.failures import storage_message, told_if_not_written
from nanotrigger.flows.base import LICENCES
from nanotrigger.modules import discover
from nanotrigger.logs import end_of, killed, remove_empty
from nanotrigger.plan import make_plan
from nanotrigger.place import check_place, places
from nanotrigger.report.unfinished import write_unfinished_report
from nanotrigger.results import ablation, granularity
from nanotrigger.results.job_records import GATHERED
from nanotrigger.results.unfinished import write_unfinished
from nanotrigger.running import begin, note_locks
from nanotrigger.tools.run import missing

# a large plan is millions of objects that stay: looking for garbage among them was a tenth of the time
gc.set_threshold(50_000, 20, 20)

SOURCES = Path(nanotrigger.__file__).parent
MODULE = not workflow.modifier.is_main_snakefile()
if MODULE:
    # what another workflow gives is laid over the configuration here, as a file of one's own is
    config = laid_over(SOURCES.parents[1] / "config/config.yaml", config)


def shipped(path: str) -> str:
    """A table that comes with the workflow: the working folder's own where it has one."""
    if MODULE:
        # absolute: a module's prefix is for what it makes
        return str(
            Path(path if Path(path).exists() else SOURCES.parents[1] / path).resolve()
        )
    return path if Path(path).exists() else str(SOURCES.parents[1] / path)


PREFIX = workflow.modifier.path_modifier


def prefixed(path) -> str:
    """A path as Snakemake makes it of one in a rule: in a module of another workflow it lies under a prefix."""
    return str(PREFIX.modify(path))


DATASETS_TABLE = shipped("config/datasets.csv")

try:
    if workflow.is_main_process:
        begin()
    check_place([*places(), workflow.modifier.path_modifier.prefix or ""])
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
    BATCH_NUMBER = number_of(PLAN, Path(prefixed(f"results/{PLAN.config.run.name}")))
except NanotriggerError as error:
    raise WorkflowError(str(error)) from None

RUN = PLAN.config.run
STARTED = time.time()
RESULTS = f"results/{RUN.name}"
# models and seeds whose exports and designs are made together; empty where each has its own jobs
BATCHES = deal(PLAN.models, RUN.seeds, BATCH_NUMBER)
DATASET = f"{RESULTS}/data/{RUN.dataset}.h5" if RUN.dataset else []
LABELS = ("g", "q", "w", "z", "t")
# what custom rules make beside: part of `rule all` and of the provenance
OWN_OUTPUTS = []
FIGURES = discover("nanotrigger.plots")
FLOW_PARAMS = {
    name: flow.params.model_dump(mode="json") for name, flow in PLAN.flows.items()
}
# comparisons that need more than one model of the right kind: what takes part in them
COMPARED = {"ablation": ablation.compared, "granularity": granularity.compared}
ROLES = {
    role
    for model in PLAN.models.values()
    for role in PLAN.stanzas[model.stanza].roles
    if role not in COMPARED or COMPARED[role](PLAN)
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
            "qonnx/tables.py",
        ),
    ]


def gpus(wildcards) -> int:
    """How many GPUs a training takes."""
    return PLAN.stanzas[wildcards.stanza].gpus


def asked_of_cluster(gpu) -> dict:
    """The resource `gpu` where the config wants one; with `auto` a training takes what it happens to find, and no rule
    has the resource at all, since some executors take one of zero for a wish."""
    return {"gpu": gpu} if RUN.device.startswith("cuda") else {}


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


def memory(megabytes):
    """Memory of a job in MB: that, a number or a function of the wildcards, and more with every retry, for a job may have
    failed for want of it; and what the two Snakemakes need that a cluster starts around a job (0.3 GB each).
    """

    def asked(wildcards, attempt) -> int:
        own = megabytes(wildcards) if callable(megabytes) else megabytes
        return own * attempt + 800

    return asked


def licence(name: str):
    """How many licences of that name a design's synthesis takes."""

    def taken(wildcards) -> int:
        flow = PLAN.flows[wildcards.flow]
        licences = getattr(flow.module, "licences", None)
        return int(licences is not None and name in licences(flow.params))

    return taken


def takes_licence(wildcards) -> bool:
    """Whether a design's synthesis takes a vendor's licence."""
    return any(licence(name)(wildcards) for name in LICENCES)


def before_synthesis(wildcards) -> str:
    """Group of what leads to a design's synthesis.

    Jobs of one group are one job to a cluster: it fails as a whole, and all that it made is made again. So each design
    is a group of its own, and where its synthesis may take hours of a licence, what comes before and after is apart.
    """
    return "project" if takes_licence(wildcards) else "design"


def with_synthesis(wildcards) -> str | None:
    """Group of a design's synthesis; none where it takes a licence, which nothing else should hold."""
    return None if takes_licence(wildcards) else "design"


def after_synthesis(wildcards) -> str:
    """Group of what follows a design's synthesis."""
    return "record" if takes_licence(wildcards) else "design"


def tool_minutes(runs: int):
    """Time for so many runs of a flow's tools, each of which is stopped at the stanza's limit, and for what is around."""

    def minutes(wildcards) -> int:
        limit = getattr(PLAN.flows[wildcards.flow].params, "timeout_s", 7200)
        return 15 + runs * math.ceil(limit / 60)

    return minutes


def batch_file(name: str, *wildcards: str) -> str:
    """List of the files of that name that the members of a batch have, in each flow if it is a wildcard."""
    folder = Path(*(f"{{{w}}}" for w in ("batch", *wildcards)))
    return f"{RESULTS}/provenance/batches/{BATCH_NUMBER}/{folder}/{name}.list"


def over_models(name: str) -> list[str]:
    """A file of every model and seed of the run; in a run in batches their lists, which a job's script sees as the files."""
    if BATCHES:
        return expand(batch_file(name), batch=BATCHES)
    return expand(model_file(name), model=PLAN.models, seed=RUN.seeds)


def over_designs(name: str, flows=PLAN.flows) -> list[str]:
    """A file of every design (model, seed and flow) that the run builds in these flows, or their lists."""
    if BATCHES:
        return [
            batch_file(name, "flow").format(batch=batch, flow=flow)
            for flow in flows
            for batch, members in BATCHES.items()
            if any((model, flow) in PLAN.kinds for model, seed in members)
        ]
    return [
        hardware_file(name).format(model=p.model, flow=p.flow, seed=seed)
        for p in PLAN.pairs
        if p.flow in flows
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
    return [*reported(), *OWN_OUTPUTS, f"{RESULTS}/report.html"]


def final_outputs() -> list[str]:
    return [*run_outputs(), f"{RESULTS}/provenance.json"]


def report_unfinished() -> Path:
    """The report of a run that failed."""
    return write_unfinished_report(
        PLAN, Path(RESULTS), Path("logs", RUN.name), STARTED, reported(), DESCRIBED
    )
