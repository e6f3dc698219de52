"""What the columns of the tables are called, their units and their meaning: headers, and the glossary of the report."""

from dataclasses import dataclass
from typing import Literal

from nanotrigger.data.classes import CLASSES

Form = Literal["text", "count", "share", "number", "p"]


@dataclass(frozen=True)
class Column:
    """A column. form: how its values are written; share: of 1, four digits; p: a probability, two significant digits."""

    title: str
    meaning: str = ""
    unit: str = ""
    form: Form = "text"

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def _count(title: str, meaning: str, unit: str = "") -> Column:
    return Column(title, meaning, unit, "count")


def _share(title: str, meaning: str) -> Column:
    return Column(title, meaning, "", "share")


def _number(title: str, meaning: str, unit: str = "") -> Column:
    return Column(title, meaning, unit, "number")


COLUMNS: dict[str, Column] = {
    "arxiv": Column("arXiv", "number of the paper"),
    "item": Column("item", "figure or table of the paper"),
    "shows": Column("shows", "what is in it"),
    "target": Column("target", "the rule that makes it: `snakemake <target>`"),
    "file": Column("file", "where it lies, below the folder of the run"),
    "model": Column("model", "a network: a stanza of the config, or one point of its sweep"),
    "stanza": Column("stanza", "the key under models in the config; its models train together"),
    "method": Column("method", "the way of training"),
    "flow": Column("flow", "the way from the QONNX file to hardware"),
    "seed": _count("seed", "seed of this replica of the model"),
    "seeds": _count("seeds", "replicas over which a row is the mean"),
    "dataset": Column("dataset", "jets that the model was tested on"),
    "vectors": _count("vectors", "inputs that were simulated"),
    "test_jets": _count("test jets", "labelled jets of the test split"),
    "accuracy": _share("accuracy", "share of test jets with the right class, with its 95 % interval"),
    "val_accuracy": _share("validation accuracy", "share of validation jets with the right class, by which models are chosen"),
    **{f"auc_{c}": _share(f"AUC {c}", f"area under the ROC curve of {c} jets against all others") for c in CLASSES},
    "seeds_sd": _share("SD over seeds", "standard deviation of the accuracy between seeds"),
    "seeds_low": _share("seeds, low", "lower bound of the accuracy for other seeds on these very jets"),
    "seeds_high": _share("seeds, high", "upper bound of the accuracy for other seeds on these very jets"),
    "parameters": _count("parameters", "weights and biases, or entries of look-up tables"),
    "nonzero_weights": _count("weights ≠ 0", "weights, or entries of tables, left after pruning and rounding"),
    "mean_weight_bits": _number("weight bits", "mean width of weights or tables' values with sign, zero where pruned", "bit"),
    "mean_activation_bits": _number("activation bits", "mean width of the activations with sign", "bit"),
    "bops_hawq": _count("BOPs (HAWQ)", "bit operations as in 2304.06745: m n (p b_a b_w + b_a + b_w + log2 n) per layer"),
    "bops_qonnx": _count("BOPs (QONNX)", "bit operations as qonnx counts them: the product of both widths, summed"),
    "model_bits": _count("bits", "bits of all weights and activations, the cost of a search for bits", "bit"),
    "energy_pj": _number("energy", "of one inference, by operation and width (see nanotrigger.qonnx.energy)", "pJ"),
    "ebops": _count("EBOPs", "effective bit operations (2405.00645, 2604.22293); not comparable with either count of BOPs"),
    "qonnx_mismatches": _count("differ in QONNX", "vectors on which the QONNX file is not the method, bit for bit"),
    "qonnx_vectors": _count("QONNX vectors", "vectors on which the QONNX file was compared with the method"),
    "overflows": _count("overflows", "activations of the test split outside the ranges traced on train and validation"),
    "tool": Column("tool", "the programs that made the figures of the row"),
    "version": Column("version", "their version"),
    "stage": Column("stage", "how far towards silicon: estimate, HLS estimate, logic synthesis, place and route"),
    "part": Column("part", "the device, as its vendor names it"),
    "clock_ns": _number("clock", "target clock period", "ns"),
    "lut": _count("LUT", "look-up tables"),
    "ff": _count("FF", "flip-flops"),
    "dsp": _count("DSP", "multiplier blocks"),
    "bram36": _number("BRAM", "block RAM, in tiles of 36 kbit", "36 kbit"),
    "carry": _count("carry", "carry cells"),
    "latency_cycles": _count("latency", "clock cycles from input to output", "cycles"),
    "latency_ns": _number("latency", "cycles times the target clock period", "ns"),
    "ii": _count("II", "initiation interval: cycles between two inputs", "cycles"),
    "logic_delay_ns": _number("logic delay", "longest path through cells, registers included, without routing", "ns"),
    "fmax_mhz": _number("Fmax", "highest clock after place and route", "MHz"),
    "fmax_spread_mhz": _number("Fmax, SD", "its standard deviation over seeds of the placement", "MHz"),
    "area_um2": _number("area", "standard cells, without routing", "µm²"),
    "nand2": _number("area", "the same in areas of the smallest two-input NAND", "NAND2"),
    "min_period_ns": _number("shortest period", "shortest clock period of the standard cells", "ns"),
    "power_mw": _number("power", "at the target clock", "mW"),
    "adder_cost": _number("adder cost", "LUTs that alkaid expects of its adders before synthesis", "LUT"),
    "mismatches": _count("differ", "vectors on which the simulated hardware is not the QONNX file, bit for bit"),
    "netlist_vectors": _count("netlist vectors", "inputs on which the synthesised netlist was simulated"),
    "netlist_mismatches": _count("differ in netlist", "vectors on which the synthesised netlist is not the QONNX file"),
    "notes": Column("notes", "what a figure alone does not say, as what is left to the host"),
    "status": Column("status", "done, or why cells are empty"),
    "differs": Column("grey for", "of a published row: its figures that are not comparable with ours, and what differs"),
    "built": Column("built", "whether the run builds this point of a sweep, or surveys it alone"),
    "on_front": Column("on front", "whether no other point of the sweep has as few BOPs and a higher validation accuracy"),
    "other": Column("other model", "the model that it is compared with"),
    "other_is_reference": Column("other is reference", "whether that is the most accurate one on the validation split"),
    "difference": _share("difference", "accuracy of model minus accuracy of other, with its 95 % interval"),
    "only_model_right": _count("only model right", "test jets that only the model has right"),
    "only_other_right": _count("only other right", "test jets that only the other has right"),
    "test": Column("test", "the statistical test of no difference"),
    "p_value": Column("p", "p-value of no difference", "", "p"),
    "p_holm": Column("p (Holm)", "the same, corrected for the number of comparisons by Holm's method", "", "p"),
    "comparisons": _count("comparisons", "number of comparisons for which it is corrected"),
}  # fmt: skip

UNITS = {"_ns": "ns", "_mhz": "MHz", "_mw": "mW", "_um2": "µm²", "_gev": "GeV", "_pct": "%", "_percent": "%", "_s": "s",
         "_mb": "MB", "_bits": "bit"}  # fmt: skip
"""What a column that is not known is measured in, by the end of its name."""

INTERVALS = ("accuracy", "difference", *(f"auc_{c}" for c in CLASSES))
"""Columns whose neighbours `_low` and `_high` are the bounds of their 95 % interval: shown in one cell."""

OUT_OF = {
    "mismatches": "vectors",
    "netlist_mismatches": "netlist_vectors",
    "qonnx_mismatches": "qonnx_vectors",
}
"""Counts that say nothing without another one: shown in one cell, `0 of 4,000`."""


def column(key: str) -> Column:
    """The column of that name; of one that is not known here, a title and unit made from its name."""
    if key in COLUMNS:
        return COLUMNS[key]
    ending = next((ending for ending in UNITS if key.endswith(ending) and key != ending), "")
    title = key.removesuffix(ending) if ending else key
    return Column(title.replace("_", " ").strip() or key, unit=UNITS.get(ending, ""), form="number")
