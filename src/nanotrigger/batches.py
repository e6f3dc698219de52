"""Many exports or designs as one job of the DAG: Snakemake takes milliseconds for each job, a large study has ten thousands.

In a large run (see `run.batches`) the models, with each seed, are dealt into batches by their names, so that a batch keeps
its models when others come or go. Each step of a batch, in one flow if it is a step of designs, is one job: it runs the
step's own script once for every member, in a process of its own and with a log and a record of its own, as if it had been a
job of the DAG. A member whose record says that nothing has changed is left as it is, so that a batch that runs again for
one model, or because it was killed, repeats nothing that stands.

Where a member fails the others are done all the same; the next steps of that batch wait until it is mended or left out.

What the DAG sees of a batch are lists, one for each kind of file that the step makes, with the files' hashes: `job` gives a
script the files themselves where its rule names their lists.
"""

import multiprocessing
import os
import runpy
import shutil
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.logs import last_error
from nanotrigger.progress import doing, duration
from nanotrigger.results.job_records import FOLDER, JobRecord, digest, run_folder
from nanotrigger.results.records import replace_when_whole

LARGEST_WITHOUT = 128
"""Models, counted with each seed, up to which each has jobs of its own."""
NUMBER = 128
"""Batches of a larger run."""
SUFFIX = ".list"
PLACE = f"/{FOLDER}/batches/"
"""Where lists lie below the results of a run, in a folder named by the number of its batches."""


def batch_of(model: str, seed: int, number: int) -> str:
    """The batch of a model with a seed, one of `number`; the same whatever else is in the run."""
    return f"{zlib.crc32(f'{model}/{seed}'.encode()) % number:04d}"


def number_of(plan: Any, results: Path) -> int:
    """Number of batches of a run, 0 for none: what `run.batches` asks for; else that in which the run was begun, or what its
    size asks for.

    results: folder of the run. Raises ConfigError where a run that was begun in batches is to have jobs of its own: what
    Snakemake knows of their files, if anything, is of a time before the batches made them.
    """
    asked, members = plan.config.run.batches, len(plan.models) * len(plan.seeds)
    place = Path(f"{results}{PLACE}")
    begun = [folder for folder in place.iterdir() if folder.name.isdigit()] if place.is_dir() else []
    if asked is None and begun:
        return int(max(begun, key=lambda folder: folder.stat().st_mtime).name)
    if asked == 0 and begun:
        raise ConfigError(
            f"config: run.batches: is 0, but {results} was begun in batches. Leave the key out to go on with these; or "
            f"delete {results}/models, {results}/hardware and {place}, which are then made anew from the trainings."
        )
    return asked if asked is not None else 0 if members <= LARGEST_WITHOUT else NUMBER


def deal(models: Iterable[str], seeds: Sequence[int], number: int) -> dict[str, tuple[tuple[str, int], ...]]:
    """Members (model, seed) of each of `number` batches that has some; empty where each is to have jobs of its own."""
    dealt: dict[str, list[tuple[str, int]]] = {}
    for model, seed in ((model, seed) for model in models for seed in seeds) if number else ():
        dealt.setdefault(batch_of(model, seed, number), []).append((model, seed))
    return {batch: tuple(dealt[batch]) for batch in sorted(dealt)}


def write_list(path: Path, files: Iterable[str]) -> None:
    """Write the list of files or folders, each with its hash, in the order of their names."""
    with replace_when_whole(path) as temporary:
        temporary.write_text("".join(f"{digest(Path(file))}  {file}\n" for file in sorted(files)))


def read_list(path: Path) -> list[str]:
    """The files of a list. Raises NanotriggerError where it is damaged or one of them is gone."""
    lines = path.read_text().splitlines()
    files = [line.partition("  ")[2] for line in lines]
    if not files or not all(files):
        raise NanotriggerError(f"{path}: is no list of files. Delete it and run again.")
    for file in files:
        if not Path(file).exists():
            raise NanotriggerError(f"{file}: is not there, though {path} lists it. Delete that list and run again.")
    return files


def is_list(path: Any) -> bool:
    return str(path).endswith(SUFFIX) and PLACE in f"/{path}"


def lists_with(results: Path, file: str | Path) -> list[str]:
    """Lists of a run that name a file. The DAG sees them in its place: what is to be made anew is deleted with them."""
    found = Path(f"{results}{PLACE}").rglob(f"{Path(file).name}{SUFFIX}")
    return sorted(str(path) for path in found if f"  {file}\n" in path.read_text())


def expanded(inputs: Any, plan: Any) -> Any:
    """Inputs of a job with the files of each run of lists in their place, in the order in which the run names their models."""
    if not any(map(is_list, inputs)):
        return inputs
    order = run_order(plan)
    values: list[str] = []
    names: dict[str, tuple[int, int | None]] = {}
    for start, stop, name, end in _spans(inputs):
        own = list(inputs[start:stop])
        if any(map(is_list, own)):
            own, end = sorted((file for path in own for file in read_list(Path(path))), key=order), stop
        if name:
            names[name] = (len(values), None if end is None else len(values) + len(own))
        values += own
    return _named(values, names)


def _spans(inputs: Any) -> Iterable[tuple[int, int, str, int | None]]:
    """Start, stop and name of each input and list of inputs, and its end as Snakemake keeps it; of those without a name too."""
    at = 0
    for name, (start, end) in sorted(inputs._names.items(), key=lambda item: item[1][0]):
        if start > at:
            yield at, start, "", start
        at = start + 1 if end is None else end
        yield start, at, name, end
    if at < len(inputs):
        yield at, len(inputs), "", len(inputs)


def run_order(plan: Any) -> Callable[[str], tuple[int, ...]]:
    """Where a file of a model or a design stands in the run: by model, then by flow if it has one, then by seed."""
    models, flows = ({name: i for i, name in enumerate(names)} for names in (plan.models, plan.flows))
    seeds = {f"seed{seed}": i for i, seed in enumerate(plan.seeds)}
    tops = {("results", plan.config.run.name, kind) for kind in ("models", "hardware")}

    def place(path: str) -> tuple[int, ...]:
        parts = Path(path).parts
        # as a module of another workflow a run lies under a prefix
        top = next(i for i in range(len(parts)) if parts[i : i + 3] in tops)
        model, seed, name = parts[top + 3 : top + 6]
        return models[model], flows.get(name, 0), seeds[seed]

    return place


def _named(values: Iterable[Any], names: Mapping[str, tuple[int, int | None]]) -> Any:
    from snakemake.iocontainers import Namedlist

    listed = Namedlist(values)
    for name, (start, end) in names.items():
        listed._set_name(name, start, end=end)
    return listed


def _files(content: Mapping[str, str | list[str]]) -> Any:
    """Inputs or outputs as Snakemake's, by their names; an empty name is none."""
    values: list[str] = []
    names: dict[str, tuple[int, int | None]] = {}
    for name, value in content.items():
        several = not isinstance(value, str)
        if name:
            names[name] = (len(values), len(values) + len(value) if several else None)
        values += value if several else [value]
    return _named(values, names)


Step = Mapping[str, Any]
"""What all members share: `rule`, `script` and `log`, and of `input`, `output` and `params` for each name in the rule's order a
one-entry dictionary: `pattern` of a path, `value` for all members, or `own`, which each member has."""


def shared(rule: str, script: str, log: str, output: Mapping[str, str], members: list[dict[str, Any]]) -> Step:
    """The step of members that bring `input` and `params` with all names, from which it takes what is the same for all.

    Of an input that is a pattern, members bring the pattern.
    """
    step: dict[str, Any] = {"rule": rule, "script": script, "log": log}
    step["output"] = {name: {"pattern": path} for name, path in output.items()}
    for group in ("input", "params"):
        step[group] = {}
        for name, first in list(members[0][group].items()):
            same = all(member[group][name] == first for member in members)
            kind = "pattern" if isinstance(first, str) and "{" in first else "value"
            step[group][name] = {kind: first} if same else {"own": None}
            if same:
                for member in members:
                    del member[group][name]
    return step


def member_job(step: Step, member: Mapping[str, Any], config: Mapping[str, Any], plan: Any) -> Any:
    """What the step's script sees as its `snakemake` for one member: its `wildcards`, and its own `input` and `params`."""
    from snakemake.iocontainers import Params, Wildcards

    wildcards = {name: str(value) for name, value in member["wildcards"].items()}

    def of(group: str) -> dict[str, Any]:
        own = member.get(group, {})
        kinds = {name: next(iter(entry.items())) for name, entry in step[group].items()}
        return {
            name: own[name] if kind == "own" else value.format(**wildcards) if kind == "pattern" else value
            for name, (kind, value) in kinds.items()
        }

    return SimpleNamespace(
        rule=step["rule"],
        script_path=step["script"],
        wildcards=Wildcards(fromdict=wildcards),
        input=_files(of("input")),
        output=_files(of("output")),
        params=Params(fromdict=of("params")),
        log=[step["log"].format(**wildcards)],
        threads=1,
        config=config,
        plan=plan,
    )


def _run(job: Any) -> None:
    threading.Thread(target=_end_with_batch, name="end", daemon=True).start()
    runpy.run_path(job.script_path, init_globals={"snakemake": job})


def _end_with_batch() -> None:
    """End a member whose batch was killed; its own leash (see `leash`) then tells its log, and ends what it had started."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)


def _forget_others(place: Path) -> None:
    """Delete the lists of this run in other numbers of batches: what they list may be made anew now, and the DAG would take
    them as they are if the run came back to that number. place: folder of the lists of this number."""
    for other in place.parent.iterdir() if place.parent.is_dir() else ():
        while other != place and other.exists():  # other jobs delete them too
            with suppress(FileNotFoundError):
                shutil.rmtree(other)


def _remove(outputs: Iterable[str]) -> None:
    """Remove a member's outputs, as the DAG does before a job, and after one that failed."""
    for output in map(Path, outputs):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)


def run_batch(plan: Any, snakemake: Any) -> None:
    """Run a step for each member of a batch that it is not done for, then write the lists.

    Raises NanotriggerError naming every member that failed, when all others are done.
    """
    step = snakemake.params.step
    members = step["members"]
    results = run_folder(Path(snakemake.log[0]), plan.config.run.name)
    _forget_others(next(p for p in Path(snakemake.output[0]).parents if str(p.parent).endswith(PLACE.rstrip("/"))))
    failed, done, taken = [], [], []
    for number, member in enumerate(members, 1):
        job = member_job(step, member, snakemake.config, plan)
        name = ", ".join(f"{key} {value}" for key, value in job.wildcards.items())
        done.append(job)
        if JobRecord.stands(job, results):
            print(f"{number} of {len(members)}: {name}: as it was", flush=True)
            continue
        _remove(job.output)
        for output in map(Path, job.output):
            output.parent.mkdir(parents=True, exist_ok=True)
        # a process of its own: a crash in a tool's library is one member's failure
        process = multiprocessing.get_context("fork").Process(target=_run, args=(job,))
        began = time.monotonic()
        left = sum(taken) / len(taken) * (len(members) - number + 1) if taken else None
        estimate = f" (about {duration(left)} left)" if left else ""
        with doing(f"{number} of {len(members)}{estimate}: {name}"):
            process.start()
            process.join()
        taken.append(time.monotonic() - began)
        absent = [str(output) for output in job.output if not Path(output).exists()]
        well = not process.exitcode and not absent
        print(f"{number} of {len(members)}: {name}: {'done' if well else 'failed'}", flush=True)
        if not well:
            _remove(job.output)
            log = Path(job.log[0])
            said = last_error(log) if log.exists() else "ended without a message"
            if not process.exitcode:
                said = f"ended without writing {', '.join(absent)}"
            how = f"ended by signal {-process.exitcode}" if process.exitcode < 0 else said
            failed.append(f"{name}: {how} (log: {log})")
    if failed:
        raise NanotriggerError(f"{step['rule']} failed for {len(failed)} of {len(members)}:\n" + "\n".join(failed))
    for position, path in enumerate(snakemake.output):
        write_list(Path(path), [str(job.output[position]) for job in done])
