"""A large study as its jobs would leave it, without training or synthesis: files by the writers that the jobs use."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nanotrigger.batches import SUFFIX, deal, number_of
from nanotrigger.config import load_config
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import Split, write_dataset
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.plan import Plan, make_plan
from nanotrigger.qonnx.costs import summary
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser
from nanotrigger.results.designs import joined
from nanotrigger.results.metrics import classification
from nanotrigger.results.records import provenance, write_json

FLOWS = ("rtl", "xls", "hls4ml")
SEEDS = (0, 1, 2)
TEST_JETS = 4000
"""As of the quickstart."""
EPOCHS = 50
KINDS = (
    lambda i: {"method": "hgq", "epochs": EPOCHS, "sweep": {"ebops": [500 + 20 * i]}},
    lambda i: {"method": "uniform", "epochs": EPOCHS, "learning_rate": 0.001 + 1e-6 * i, "bits": 4 + i % 9},
    lambda i: {"method": "ptq", "epochs": EPOCHS, "learning_rate": 0.001 + 1e-6 * i, "bits": 4 + i % 9},
    lambda i: {"method": "prune", "epochs": EPOCHS, "bits": 6, "sparsity": round((i % 97) / 100, 2)},
)
"""Stanzas of a study, by turns: each model has one of its own, as whoever writes configs by a program has them."""


def config(models: int, name: str = "study", sweeps: bool = False) -> dict[str, Any]:
    """A study of so many models in all FLOWS with all SEEDS. sweeps: as points of one stanza, else a stanza for each."""
    if sweeps:
        points = [round(1e-3 + 1e-6 * i, 6) for i in range(models)]
        stanzas: dict[str, Any] = {
            "rates": {"method": "uniform", "bits": 6, "models_per_job": 64, "sweep": {"learning_rate": points}}
        }
    else:
        stanzas = {f"model{i:04d}": KINDS[i % len(KINDS)](i) for i in range(models)}
    run = {"name": name, "dataset": "jets", "models": list(stanzas), "flows": list(FLOWS), "seeds": list(SEEDS)}
    run |= {"skip": [], "compare": []}
    flows = {flow: {"flow": flow} for flow in FLOWS}
    return {
        "run": run,
        "datasets": {"jets": {"source": "pythia", "jets": 5 * TEST_JETS}},
        "models": stanzas,
        "flows": flows,
    }


def _network(rng: np.random.Generator, hidden: int, bits: int) -> FixedPointNetwork:
    step = 2.0 ** -(bits - 4)
    port = Quantiser(step, -8.0, 8.0 - step, "ROUND")
    inner = Quantiser(step, 0.0, 2.0**bits * step - step, "HALF_UP")

    def layer(before: int, after: int, quantiser: Quantiser, relu: bool) -> Dense:
        grid = 2.0 ** -(bits - 1)
        weight = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (before, after)) * grid
        steps, bias = np.full_like(weight, grid), np.zeros(after)
        widths = np.where(weight != 0, bits - 1.0, 0)
        return Dense(quantiser, weight, steps, widths, bias, np.full(after, grid), np.zeros(after), relu)

    return FixedPointNetwork((layer(len(FEATURES), hidden, port, True), layer(hidden, len(CLASSES), inner, False)))


def write_config(folder: Path, content: dict[str, Any]) -> Plan:
    """Write the configuration `study.yaml` to be laid over the project's; returns its plan."""
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return make_plan(load_config(content))


def write_study(folder: Path, plan: Plan) -> None:
    """Write all that tables and figures are made of below `folder`."""
    results = folder / "results" / plan.config.run.name
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(len(CLASSES), dtype=np.int8), TEST_JETS // len(CLASSES))
    splits = {
        name: Split((10 + rng.normal(size=(n, len(FEATURES)))).astype(np.float32), y[:n])
        for name, n in (("train", 2000), ("val", 500), ("test", TEST_JETS))
    }
    data = results / "data/jets.h5"
    write_dataset(
        data, splits, {"source": "pythia", "version": "pythia8mc 8", "seed": 1, "stanza": {"jets": 5 * TEST_JETS}}
    )
    networks = [_network(rng, hidden, bits) for hidden, bits in ((8, 4), (16, 6), (32, 8))]
    files = []
    for i, network in enumerate(networks):
        write_qonnx(network, folder / f"{i}.onnx", {})
        files.append((folder / f"{i}.onnx").read_bytes())
    known = provenance({}, [data], ("numpy",))
    right = np.eye(len(CLASSES))[y]
    metrics = {}
    for number, (name, model) in enumerate(plan.models.items()):
        stanza = plan.stanzas[model.stanza]
        of_model = 2.0 + 0.5 * np.sin(number)
        for seed in plan.seeds:
            place = results / f"models/{name}/seed{seed}"
            place.mkdir(parents=True)
            outputs = of_model * right + np.random.default_rng([number, seed]).normal(scale=1.8, size=right.shape)
            np.save(place / "outputs.npy", outputs)
            (place / "model.onnx").write_bytes(files[number % len(files)])
            if number % 50 == 0:  # areas under curves take most of the time, and are the same for the tables
                areas = {k: v for k, v in classification(outputs, y).items() if k.startswith("auc")}
            accuracy = float((outputs.argmax(1) == y).mean())
            found = {
                "test_jets": len(y),
                "accuracy": accuracy,
                "accuracy_low": accuracy - 0.01,
                "accuracy_high": accuracy + 0.01,
            }
            found |= areas | {
                "val_accuracy": accuracy + 0.001,
                "qonnx_vectors": len(y),
                "qonnx_mismatches": 0,
                "overflows": 0,
            }
            found |= {**summary(networks[number % len(networks)]), "ebops": 500 + 20 * number + seed}
            metrics[name, seed] = found
            write_json(place / "metrics.json", found)
            manifest = {"model": name, "stanza_name": model.stanza, "seed": seed, "own_vectors": False}
            params = {"method": stanza.module.__name__, **model.params.model_dump(mode="json")}
            write_json(place / "manifest.json", manifest | known | {"stanza": params})
            lines = [
                f"{e},0.001,{1.5 / e:.6f},{1.6 / e:.6f},{accuracy * (1 - 1 / (e + 1)):.6f}"
                for e in range(1, EPOCHS + 1)
            ]
            (place / "history.csv").write_text(
                "\n".join(["epoch,learning_rate,train_loss,val_loss,val_accuracy", *lines, ""])
            )
    for number, pair in enumerate(plan.pairs):
        flow = plan.flows[pair.flow]
        for seed in plan.seeds:
            ebops = metrics[pair.model, seed]["ebops"]
            cells = {"lut": int(ebops**0.93), "ff": int(ebops**0.8), "dsp": 0, "bram36": 0.0, "carry": int(ebops**0.6)}
            timing = {"latency_cycles": 4, "latency_ns": 20.0, "ii": 1, "logic_delay_ns": 4.0 + number % 7 / 10}
            record = ResourceRecord(
                tool="alkaid, yosys",
                version="yosys 0.70",
                stage="logic_synthesis",
                **cells,
                **timing,
                adder_cost=1.1 * ebops**0.93,
                notes=("a note",),
            )
            if pair.flow == "hls4ml":
                record = ResourceRecord(tool="hls4ml", status="vitis_hls not on PATH")
            counted = {"vectors": len(y), "mismatches": 0}
            row = joined(flow, pair.model, seed, record, counted, counted, metrics[pair.model, seed])
            write_json(results / f"hardware/{pair.model}/seed{seed}/{pair.flow}/record.json", row)


def write_lists(folder: Path, plan: Plan) -> None:
    """What the DAG sees of a finished study besides: generated jets, trainings, and the lists of its batches.

    Files that no table or figure reads are listed and not written.
    """
    results = folder / "results" / plan.config.run.name
    jets = plan.config.datasets["jets"]
    for label in CLASSES:
        for chunk in range(len(jets.chunks())):
            (results / f"data/chunks/{label}_{chunk}").mkdir(parents=True)
    (results / "programs").mkdir()
    for flow in plan.flows.values():
        for program in flow.module.requires:
            if program.startswith("yowasp-"):
                (results / f"programs/{program}.txt").touch()
    for stanza in plan.stanzas.values():
        for chunk in range(len(stanza.chunks)):
            (results / f"training/{stanza.name}/trained/{chunk}").mkdir(parents=True)
    number = number_of(plan, results)
    for batch, members in deal(plan.models, plan.seeds, number).items():
        place = results / "provenance/batches" / str(number) / batch
        of_models = [f"models/{model}/seed{seed}" for model, seed in members]
        write_names(place, of_models, MODEL_FILES, results)
        for flow in plan.flows:
            designs = [f"hardware/{m}/seed{seed}/{flow}" for m, seed in members if (m, flow) in plan.kinds]
            if designs:
                write_names(place / flow, designs, DESIGN_FILES, results)


MODEL_FILES = (
    "model",
    "model.onnx",
    "costs.json",
    "predictions.npy",
    "history.csv",
    "manifest.json",
    "metrics.json",
    "outputs.npy",
)
DESIGN_FILES = (
    "project.tar.gz",
    "emulation.json",
    "synthesis.json",
    "synthesis.tar.gz",
    "netlist.json",
    "netlist.tar.gz",
    "record.json",
)


def write_names(place: Path, folders: list[str], names: tuple[str, ...], results: Path) -> None:
    """The lists of a batch, one for each file that its members have in their folders."""
    place.mkdir(parents=True)
    root = Path("results") / results.name
    for name in names:
        lines = [f"{'0' * 64}  {root / folder / name}\n" for folder in sorted(folders)]
        (place / f"{name}{SUFFIX}").write_text("".join(lines))
