"""Members of a batch: what their rule says of each, and the lists that stand for their files."""

from functools import cache

from snakemake.io import flag, is_callable, strip_wildcard_constraints
from snakemake.iocontainers import Wildcards
from snakemake.path_modifier import PATH_MODIFIER_FLAG

from nanotrigger.batches import shared

SCRIPTS = (
    Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent / "scripts"
)


def members(wildcards) -> list:
    """Wildcards of each member that a batch has, in a flow if there is one."""
    flow = getattr(wildcards, "flow", None)
    return [
        Wildcards(
            fromdict={
                "model": model,
                "seed": str(seed),
                **({"flow": flow} if flow else {}),
            }
        )
        for model, seed in BATCHES[wildcards.batch]
        if not flow or (model, flow) in PLAN.kinds
    ]


def of_rule(items, wildcards, code=(), place=lambda value: value) -> dict:
    """Inputs or parameters as they stand in a rule, by name; the values of functions for these wildcards.

    code: the source files, where they are known from another member. place: what becomes of what a function gives.
    """
    found = {}
    for name, item in items._allitems():
        if name == "code" and code:
            found[name] = code
        elif is_callable(item):
            value = (getattr(item, "callable", None) or item)(wildcards)
            listed = isinstance(value, list)
            found[name] = [place(one) for one in value] if listed else place(value)
        else:
            found[name] = list(map(str, item)) if isinstance(item, list) else str(item)
    return found


def resource_of(rule, name: str):
    resource = rule.resources[name]
    return resource._evaluator or resource.value


def batch_runtime(rule):
    """Minutes that a batch may take: those of a member, for each."""
    own = resource_of(rule, "runtime")
    return lambda wildcards: len(members(wildcards)) * (
        own(wildcards) if callable(own) else own
    )


def batch_step(rule):
    """Parameters of a batch's job: what its members share, and what each has of its own."""

    def step(wildcards) -> dict:
        own, code = [], ()
        for member in members(wildcards):
            entry = {
                "wildcards": dict(member.items()),
                "input": of_rule(rule.input, member, code, prefixed),
                "params": of_rule(rule.params, member),
            }
            code = entry["input"].get("code", ())
            own.append(entry)
        output = {
            name or "": strip_wildcard_constraints(path)
            for name, path in rule.output._allitems()
        }
        log = strip_wildcard_constraints(rule.log[0])
        script = SCRIPTS / Path(rule.script).name
        here = Path.cwd()
        script = script.relative_to(here) if script.is_relative_to(here) else script
        return {
            **shared(rule.name, str(script), log, output, own),
            "members": own,
        }

    return step


def batch_inputs(rule):
    """Files that the members read: of those that come from a batch too, their lists."""

    def inputs(wildcards) -> list[str]:
        found, code = {}, ()
        for member in members(wildcards):
            entry = of_rule(rule.input, member, code, prefixed)
            if not code:
                code = entry.pop("code", ())
                found |= dict.fromkeys(code)
            else:
                entry.pop("code", None)
            for value in entry.values():
                for path in [value] if isinstance(value, str) else value:
                    found[as_list(path, wildcards)] = None
        # what has its prefix gets no other
        return [flag(path, PATH_MODIFIER_FLAG) if MODULE else path for path in found]

    return inputs


# of the files of members, by the folder in which they lie: what their lists are told apart by, beside the batch
TOLD_APART = {
    prefixed(f"{RESULTS}/models/"): (),
    prefixed(f"{RESULTS}/hardware/"): ("flow",),
}


@cache
def list_file(name: str, *told_apart: str) -> str:
    return prefixed(batch_file(name, *told_apart))


def as_list(path: str, wildcards) -> str:
    """The list that holds a member's file; any other path as it is."""
    for folder, told_apart in TOLD_APART.items():
        if path.startswith(folder):
            name = path.rpartition("/")[2]
            return list_file(name, *told_apart).format(**dict(wildcards.items()))
    return path
