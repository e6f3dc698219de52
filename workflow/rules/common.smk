"""What every rule file uses: the validated plan, and where things lie."""

from pathlib import Path

from snakemake.exceptions import WorkflowError

from nanotrigger.config import load_config
from nanotrigger.errors import NanotriggerError
from nanotrigger.modules import discover
from nanotrigger.plan import make_plan
from nanotrigger.tools.run import missing

try:
    PLAN = make_plan(load_config(config))
    if absent := missing(sorted({program for flow in PLAN.flows.values() for program in flow.module.requires})):
        raise NanotriggerError(
            f"not installed: {', '.join(absent)}. Install them (Debian: g++, make and perl), or select other flows in run.flows."
        )
except NanotriggerError as error:
    raise WorkflowError(str(error)) from None

RUN = PLAN.config.run
RESULTS = f"results/{RUN.name}"
DATASET = f"{RESULTS}/data/{RUN.dataset}.h5"
DATA_STANZA = PLAN.config.datasets[RUN.dataset]
LABELS = ("g", "q", "w", "z", "t")
SOURCES = Path(workflow.basedir) / "src/nanotrigger"
FIGURES = discover("nanotrigger.plots")


report: "../report/workflow.rst"


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


def logs(rule: str, *wildcards: str) -> str:
    return "/".join([f"logs/{RUN.name}", rule, *(f"{{{w}}}" for w in wildcards)]) + ".log"


def benchmarks(rule: str, *wildcards: str) -> str:
    return "/".join([f"benchmarks/{RUN.name}", rule, *(f"{{{w}}}" for w in wildcards)]) + ".tsv"


def sources(*patterns: str) -> list[str]:
    """Files of the package that a rule's result depends on; an edit there reruns it, a new time stamp does not."""
    return sorted(str(path) for pattern in patterns for path in SOURCES.glob(pattern))


def module_source(python_module) -> str:
    """File of a method or flow, in the package or of a user's own."""
    return python_module.__file__


def over_models(name: str) -> list[str]:
    """A file of every model and seed of the run."""
    return expand(model_file(name), model=PLAN.models, seed=RUN.seeds)


def over_designs(name: str) -> list[str]:
    """A file of every design (model, seed and flow) that the run builds."""
    return [hardware_file(name).format(model=p.model, flow=p.flow, seed=seed) for p in PLAN.pairs for seed in RUN.seeds]


def final_outputs() -> list[str]:
    return [*TABLES, f"{RESULTS}/checks.txt", *FIGURE_FILES, f"{RESULTS}/config.yaml"]
