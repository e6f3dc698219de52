"""One small run from collisions to the summary table, with a method from outside the package."""

import base64
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from conftest import ROOT, Checkout
from report_run import Page

from nanotrigger.results.records import read_json

SMALL = {
    "run": {
        "name": "small",
        "dataset": "few",
        "models": ["float", "hawq", "autoq", "hgq", "hgq_lut", "linear"],
        "flows": ["rtl", "hls4ml", "xls"],
        "seeds": [3],
        "skip": [
            {"model": "float", "flow": "rtl", "reason": "its RTL is large"},
            {"model": "autoq", "flow": "*", "reason": "what its search found is looked at, not its hardware"},
            {"model": "hawq*", "flow": "hls4ml", "reason": "one project is enough here"},
            {"model": "hgq_1*", "flow": "hls4ml", "reason": "one project is enough here"},
            *({"model": name, "flow": "xls", "reason": "one model in three flows"} for name in ("float", "hawq*", "hgq*")),
        ],
    },
    "datasets": {"few": {"source": "pythia", "jets": 750, "jets_per_job": 150}},
    "models": {
        "float": {"epochs": 60, "batch_size": 64, "hidden": [8, 6]},
        "hawq": {
            "epochs": 10, "batch_size": 64, "hidden": [8, 6], "teacher_epochs": 20, "probes": 4,
            "sweep": {"bops_budget": [20000]},
        },
        "autoq": {
            "method": "autoq", "epochs": 20, "batch_size": 64, "hidden": [6], "candidates": 6, "generation": 3, "startup": 3,
            "trial_epochs": 2, "kernels": [3, 4, 5], "biases": [6, 7], "activations": [8], "input_bits": 10,
        },
        "hgq": {"epochs": 40, "batch_size": 64, "hidden": [8, 6], "warmup": 1, "restarts": 1, "sweep": {"ebops": [1000000]}},
        "hgq_lut": {
            "epochs": 40, "batch_size": 64, "hidden": [6], "warmup": 1, "restarts": 1,
            "learning_rate": 0.02, "input_fraction": 2, "function_units": 4, "sweep": {"ebops": [4000]},
        },
        "linear": {"method": "extension.linear_tagger", "bits": 5},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    shutil.copytree(ROOT / "tests/fixtures/extension", checkout.folder / "extension")
    done = checkout.snakemake("--cores", "2", overlay=SMALL, timeout=3600)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout


def planned(checkout, overlay, *arguments):
    """Jobs that would run, as (rule, stanza or model) pairs."""
    done = checkout.snakemake("-n", *arguments, overlay=overlay)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_tables(finished):
    tables = finished.folder / "results/small/tables"
    models, hardware = pd.read_csv(tables / "models.csv"), pd.read_csv(tables / "hardware.csv")
    names = {"float", "hawq_20000", "autoq", "hgq_1000000", "hgq_lut_4000", "linear"}
    assert set(models.model) == names and len(models) == 6
    assert (models.qonnx_mismatches == 0).all() and (models.qonnx_vectors == 150).all()
    assert ((models.accuracy_low < models.accuracy) & (models.accuracy < models.accuracy_high)).all()
    done = hardware[hardware.flow == "rtl"].dropna(subset=["lut"])
    assert set(done.model) == names - {"float", "autoq"} and (done.lut > 0).all() and (done.latency_cycles > 0).all()
    emulated = hardware.dropna(subset=["vectors"])
    assert len(emulated) == 7 and (emulated.mismatches == 0).all() and (emulated.vectors == 150).all()
    skipped = hardware[hardware.status.str.startswith("not run")]
    assert skipped.lut.isna().all() and skipped.vectors.isna().all(), "what was not run is empty, not zero"
    tables_of = hardware[hardware.model == "hgq_lut_4000"].set_index("flow")
    assert "no operator that reads a table" in tables_of.status["hls4ml"] and tables_of.netlist_mismatches["rtl"] == 0
    costs = models.set_index("model").loc["hgq_lut_4000"]
    assert 0 < costs.ebops <= 4000 and pd.isna(costs.bops_hawq) and pd.isna(costs.energy_pj)
    summary = pd.read_csv(tables / "summary.csv")
    assert set(summary.model) == names
    accuracies, comparisons = pd.read_csv(tables / "accuracies.csv"), pd.read_csv(tables / "comparisons.csv")
    own = models.set_index("model").accuracy
    assert (accuracies.set_index("model").accuracy == own).all() and (accuracies.seeds == 1).all()
    assert len(comparisons) == 15 and (comparisons.test_jets == 150).all() and (comparisons.p_holm <= 1).all()
    assert ((comparisons.model.map(own) - comparisons.other.map(own)) - comparisons.difference).abs().max() < 1e-9
    best = models.model[models.val_accuracy.idxmax()]
    assert set(comparisons[comparisons.other_is_reference].other) == {best}
    fronts, compared = pd.read_csv(tables / "fronts.csv"), pd.read_csv(tables / "front_comparisons.csv")
    assert (fronts.set_index("model").accuracy == own).all() and set(fronts[fronts.on_front].model) <= names
    assert set(compared.method) <= {"hgq"} and not set(compared.other) & {"hgq"}
    for name in ("summary.md", "summary.tex"):
        assert "linear" in (tables / name).read_text()


def test_the_papers_tables_and_the_list_of_their_figures(finished):
    """One row of the ablation is in this run; jets are generated, so that nothing published stands beside it."""
    tables = finished.folder / "results/small/tables"
    ablation = pd.read_csv(tables / "hawq_ablation.csv").set_index("row")
    models = pd.read_csv(tables / "models.csv").set_index("model")
    assert (
        ablation.accuracy["FP32"] == models.accuracy["float"]
        and ablation.bops_hawq["FP32"] == models.bops_hawq["float"]
    )
    assert ablation.status.str.startswith("not in this run").sum() == 19 and ablation.published_bops_hawq.isna().all()
    assert r"\toprule" in (tables / "hawq_ablation.tex").read_text() and not (tables / "hgq.csv").exists()
    listed = pd.read_csv(tables / "paper_figures.csv")
    made = listed[listed.status.str.startswith("made")]
    assert "made, 1 of 20 rows" in set(made.status) and len(made) > 5
    assert all((finished.folder / "results/small" / file).exists() for file in made.file)
    assert any("none of its models is in run.models" in status for status in listed.status)
    published = pd.read_csv(tables / "published.csv")
    assert set(published.standing) == {"refused"} and not pd.read_csv(tables / "summary.csv").differs.notna().any()


def test_figures_and_their_numbers(finished):
    figures = finished.folder / "results/small/figures"
    stems = {path.stem for path in figures.glob("*.png")}
    assert len(stems) >= 6
    assert {"paired_accuracy", "search_history", "energy_per_layer", "quantiser_map"} <= stems
    for path in figures.glob("*.pdf"):
        size = re.search(rb"smallest text ([\d.]+) pt at a width of 3.4 in", path.read_bytes())
        assert size and float(size[1]) >= 6, f"{path.name}: too small to read as wide as a column"
    for stem in stems:
        assert (figures / f"{stem}.png").stat().st_size > 5000 and (figures / f"{stem}.pdf").stat().st_size > 2000
        assert len(pd.read_csv(figures / f"{stem}.csv"))


def chosen_by_search(results):
    """What search.json says, and the row of the candidate with the highest score."""
    search = read_json(results / "training/autoq/search.json")
    return search, max(search["candidates"], key=lambda row: row["score"])


def test_a_search_is_part_of_the_run(finished):
    """Its storage holds the candidates that search.json lists, both are the run's, and the best of them became a model."""
    from nanotrigger.training.search import read_study

    results = finished.folder / "results/small"
    search, best = chosen_by_search(results)
    files = read_json(results / "provenance.json")["files"]
    for name in ("study.log", "search.json"):
        entry = files[f"results/small/training/autoq/{name}"]
        assert entry["job"] == f"prepare/autoq/{name}" and entry["part_of_run"]
    trials = read_study(results / "training/autoq/study.log").trials
    assert [trial.value for trial in trials] == [row["score"] for row in search["candidates"]] and len(trials) == 6
    assert search["chosen"] == best["candidate"]
    row = pd.read_csv(results / "tables/models.csv").set_index("model").loc["autoq"]
    assert row.qonnx_mismatches == 0 and row.qonnx_vectors == 150 and row.parameters == 16 * 6 + 6 + 6 * 5 + 5


def test_the_history_of_a_search(finished):
    """The points of the figure are the candidates of search.json; the best so far and the front follow from them."""
    results = finished.folder / "results/small"
    search, best = chosen_by_search(results)
    rows, table = search["candidates"], pd.read_csv(results / "figures/search_history.csv")
    assert (table.stanza == "autoq").all() and table.finished.all() and (table.epochs == 2).all()
    for column in ("candidate", "score", "accuracy", "energy", "bits"):
        assert table[column].tolist() == pytest.approx([row[column] for row in rows], rel=1e-12), column
    assert (table.cost == table.energy).all() and table.candidate[table.chosen].tolist() == [best["candidate"]]
    assert table.best.tolist() == pytest.approx(np.maximum.accumulate([row["score"] for row in rows]))
    points = [(-row["energy"], row["accuracy"]) for row in rows]
    beaten = [any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points) for p in points]
    assert table.front.tolist() == [not b for b in beaten]


def test_quantisers_and_energy_of_what_a_search_found(finished):
    """Both figures' numbers of the chosen network: its formats are those of search.json, and what is counted is counted
    again in its QONNX file, with the energies of ISSCC 2014 written out."""
    results = finished.folder / "results/small"
    _, best = chosen_by_search(results)
    drawn = pd.read_csv(results / "figures/quantiser_map.csv", dtype=str)
    found = [
        [str(i), place, str(layer[place])]
        for i, layer in enumerate(best["layers"], 1)
        for place in ("kernel", "bias", "activation")
        if layer[place] is not None
    ]
    assert (
        drawn[drawn.model == "autoq"][["layer", "place", "quantiser"]].to_numpy().tolist() == found and len(found) == 5
    )

    tensors = onnx.load(results / "models/autoq/seed3/model.onnx").graph.initializer
    value = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}
    assert [value[f"dense{i}_input_bits"] for i in (0, 1)] == [10, best["layers"][0]["activation"]]

    def memory(bits):
        return 0.3125 * bits * (bits / 2**18) ** 0.5

    energies = pd.read_csv(results / "figures/energy_per_layer.csv")
    energies = energies[energies.model == "autoq"].set_index("layer")
    assert list(energies.index) == [1, 2] and (energies.seed == 3).all()
    square = (3.1 / 32 - 0.2 / 8) / 24  # of the parabola through zero, 8 bits (0.2 pJ) and 32 bits (3.1 pJ)
    for i, layer in enumerate(best["layers"]):
        weights, biases = (np.count_nonzero(value[f"dense{i}_{name}_float"]) for name in ("weight", "bias"))
        inputs, row = float(value[f"dense{i}_input_bits"]), energies.loc[i + 1]
        width = (inputs * layer["kernel"]) ** 0.5
        assert row["multiply"] == pytest.approx(weights * (square * width**2 + (0.025 - 8 * square) * width))
        assert row.parameters == pytest.approx(memory(weights * layer["kernel"]) + memory(biases * layer["bias"]))
        assert row.inputs == pytest.approx(memory(inputs * len(value[f"dense{i}_weight_float"])))
        assert row["add"] > 0
    assert energies.outputs.tolist() == pytest.approx([energies.inputs[2], 0])
    parts = energies[["multiply", "add", "parameters", "inputs", "outputs"]].sum(axis=1)
    assert energies.energy_pj.tolist() == pytest.approx(parts.tolist())
    models = pd.read_csv(results / "tables/models.csv").set_index("model")
    assert models.energy_pj["autoq"] == pytest.approx(energies.energy_pj.sum())


def test_jets_are_described(finished):
    results = finished.folder / "results/small"
    table = pd.read_csv(results / "tables/jets.csv").set_index("class")
    assert (table.jets == 150).all() and (table.acceptance > 0.9).all() and (table.cross_section_pb > 0).all()
    assert {"jet_features", "mass_peaks", "jet_correlations", "jet_rates"} <= {
        p.stem for p in (results / "figures").iterdir()
    }


def test_the_run_verifies_and_knows_its_origins(finished):
    """Also folders in which several jobs worked at once are as the last of them left them."""
    done = subprocess.run(
        [sys.executable, "-m", "nanotrigger.verify", "small"], cwd=finished.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stated = read_json(finished.folder / "results/small/provenance.json")
    data = stated["results"]["data/few"]
    assert data["stanza"]["jets"] == 750 and "make_dataset" in data["jobs"] and "generate_jets/w/0" in data["jobs"]
    design = stated["results"]["hardware/hgq_1000000/seed3/rtl"]
    assert design["stanza"]["flow"] == "nanotrigger.flows.rtl" and design["seed"] == 3 and design["version"]
    assert {"train/hgq/0", "synthesize/hgq_1000000/3/rtl"} <= set(design["jobs"]) and "train/hawq/0" not in design[
        "jobs"
    ]
    assert all(entry["job"] and entry["part_of_run"] for entry in stated["files"].values()), "nothing of unknown origin"
    rows = {(row["model"], row.get("flow")): row["from"] for row in stated["tables"]["tables/summary.csv"]}
    assert rows["linear", "rtl"] == ["models/linear/seed3", "hardware/linear/seed3/rtl"]


def test_a_finished_model_takes_few_files(finished):
    """All files and folders that are there for one model and seed alone, in three flows: its share of results/models, training,
    hardware, logs, records and benchmarks. Not counted is what its stanza has once for all its points and seeds, nor
    Snakemake's note of each output in .snakemake/metadata, of which a large run, in batches, has none for a model
    (test_batched_run.py)."""
    found = []
    for place in ("results/small", "logs/small", "benchmarks/small"):
        for path in (finished.folder / place).rglob("*"):
            name = path.relative_to(finished.folder / place).as_posix()
            of_stanza = re.match(
                r"(training/linear(/[^/]*|/trained/0(/\.[^/]*)?)?|(provenance/jobs/)?(train|prepare)/.*)$", name
            )
            if re.search(r"(^|[/,])linear([/,.]|$)", name) and not of_stanza:
                found.append(f"{place}/{name}")
    assert sum(name.endswith("/record.json") for name in found) == 3, "in all flows"
    logs = [name for name in found if name.startswith("logs/") and name.endswith(".log")]
    assert sum("/read_report/" in name for name in logs) == 3 and sum("/check_export/" in name for name in logs) == 1
    assert len(logs) == 4, "those of the steps before are in these"
    assert 40 < len(found) < 60, "\n".join(found)
    assert not list((finished.folder / "results/small").rglob("project*/")), "projects are packed"


def test_a_packed_project_opens(finished):
    design = "results/small/hardware/linear/seed3/rtl"
    command = [sys.executable, "-m", "nanotrigger.unpack", design, "opened"]
    done = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"src/model.v", "netlist.v", "stat.json", "design.json"} <= {
        path.relative_to(finished.folder / "opened").as_posix() for path in (finished.folder / "opened").rglob("*")
    }


def test_nothing_is_left_to_do(finished):
    assert "Nothing to be done" in planned(finished, SMALL)


def test_the_report_shows_what_the_run_made(finished):
    """Every model with its chain, every figure whole, and the reasons of what was left out."""
    results = finished.folder / "results/small"
    page = Page((results / "report.html").read_text())
    for model in pd.read_csv(results / "tables/models.csv").model:
        words = page.text(f"model-{model}-seed3")
        assert "QONNX file 0 of 150 differ" in words and "16 inputs, 5 outputs" in words, model
    for model in ("hawq_20000", "hgq_1000000", "hgq_lut_4000", "linear"):
        assert "rtl: netlist 0 of 150 differ" in page.text(f"model-{model}-seed3")
    assert "its RTL is large" in page.text("designs") and "vitis_hls not on PATH" in page.text("designs")
    carried = {base64.b64decode(a["src"].partition("base64,")[2]) for tag, a in page.tags if tag == "img"}
    assert carried == {path.read_bytes() for path in (results / "figures").glob("*.png")}
    assert "Background efficiency" in page.text("figure-roc")
    assert not (results / "report_unfinished.html").exists()


def test_snakemakes_own_report_still_works(finished):
    path = finished.folder / "runtimes.html"
    done = finished.snakemake("--report", str(path), overlay=SMALL)
    assert done.returncode == 0, done.stdout
    assert "write_report" in path.read_text()


def test_changing_one_stanza_reruns_that_model_alone(finished):
    changed = {**SMALL, "models": {**SMALL["models"], "linear": {**SMALL["models"]["linear"], "bits": 6}}}
    plan = planned(finished, changed)
    jobs = re.findall(r"^ *Job \d+: (.*)$", plan, re.M)
    assert "Training linear, chunk 0" in jobs
    assert not [job for job in jobs if re.search(r"float|hawq(?!_ablation)|hgq|Generating|Splitting", job)], jobs


def test_another_budget_does_not_train_the_teacher_again(finished):
    hawq = {**SMALL["models"]["hawq"], "sweep": {"bops_budget": [20000, 22000]}}
    jobs = re.findall(
        r"^ *Job \d+: (.*)$", planned(finished, {**SMALL, "models": {**SMALL["models"], "hawq": hawq}}), re.M
    )
    assert "Preparing allocation.json of hawq" in jobs and "Training hawq, chunk 0" in jobs
    assert "Preparing teacher.safetensors of hawq" not in jobs


def test_a_mismatch_fails_the_run(finished):
    """Change one number of one exported model: the run stops and names the model and the row."""
    path = finished.folder / "results/small/models/linear/seed3/predictions.npy"
    before = path.read_bytes()
    altered = np.load(path, allow_pickle=False)
    altered[17, 3] += 2.0**-20
    np.save(path, altered)
    try:
        done = finished.snakemake("--cores", "1", overlay=SMALL)
    finally:
        path.write_bytes(before)
    assert done.returncode != 0
    assert "linear, seed 3: the QONNX file differs" in done.stdout and "first in row 17" in done.stdout
