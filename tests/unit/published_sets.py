"""Small files in the formats of the published sets, with their column names, for the tests of downloads and readers."""

import io
import tarfile

import h5py
import numpy as np

from nanotrigger.data.classes import CLASSES, FEATURES

KINEMATICS = (
    "ptfrac",
    "pt",
    "eta",
    "mass",
    "tau1_b1",
    "tau2_b1",
    "tau3_b1",
    "tau1_b2",
    "tau2_b2",
    "tau3_b2",
    "tau32_b1",
    "tau32_b2",
)
UNGROOMED = (
    "c1_b0",
    "c1_b1",
    "c1_b2",
    "c2_b1",
    "c2_b2",
    "d2_b1",
    "d2_b2",
    "d2_a1_b1",
    "d2_a1_b2",
    "m2_b1",
    "m2_b2",
    "n2_b1",
    "n2_b2",
)
TAUS = (
    "tau1_b1_mmdt",
    "tau2_b1_mmdt",
    "tau3_b1_mmdt",
    "tau1_b2_mmdt",
    "tau2_b2_mmdt",
    "tau3_b2_mmdt",
    "tau32_b1_mmdt",
    "tau32_b2_mmdt",
)
MASSES = ("mass_trim", "mass_mmdt", "mass_prun", "mass_sdb2", "mass_sdm1")
JET_COLUMNS = tuple(
    f"j_{name}"
    for name in (*KINEMATICS, "zlogz", *UNGROOMED, *TAUS, *FEATURES[1:14], *MASSES, "multiplicity", *CLASSES, "undef")
)
"""The 59 columns of Zenodo's `jets`, in their order."""
PARTICLE_COLUMNS = tuple(
    f"j1_{name}"
    for name in (
        "px", "py", "pz", "e", "erel", "pt", "ptrel", "eta", "etarel", "etarot", "phi", "phirel", "phirot", "deltaR",
        "costheta", "costhetarel", "pdgid",
    )
)  # fmt: skip
"""The 17 names of Zenodo's constituents; the last one is a name without data."""
assert len(JET_COLUMNS) == 59 and JET_COLUMNS[12] == "j_zlogz" and JET_COLUMNS[52] == "j_multiplicity"


def jets(rows, seed=0):
    """Features (rows, 16) that float32 holds exactly, and letters of the classes, every one of them."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("gqtwz"))[np.arange(rows) % 5]
    return rng.normal(5, 2, (rows, 16)).astype(np.float32).astype(np.float64), letters


def arff(rows=20, columns=FEATURES, labels="gqtwz", spoil=None, seed=0, content=None):
    """OpenML's file: the columns in order, the class last, in alphabetical order. Returns its bytes and the features."""
    x, letters = content or jets(rows, seed)
    letters = [labels["gqtwz".index(letter)] for letter in letters]
    lines = ["% a comment", "@RELATION hls4ml_lhc_jets_hlf", "", *(f"@ATTRIBUTE {c} REAL" for c in columns)]
    lines += [f"@ATTRIBUTE class {{{','.join(labels)}}}", "", "@DATA"]
    lines += [",".join([*(repr(float(v)) for v in row[: len(columns)]), letter]) for row, letter in zip(x, letters)]
    if spoil:
        lines[-1] = spoil(lines[-1])
    return ("\n".join(lines) + "\n").encode(), x


def one_hot(letters, columns=CLASSES):
    return (np.asarray(letters)[:, None] == np.array(columns)).astype(float)


def hdf5_table(rows=20, seed=0, repeats=1, table="t_allpar_new", change=None):
    """CERNBox' file: a compound table in which every jet stands once for each particle. Returns its bytes."""
    x, letters = jets(rows, seed)
    columns = (
        "j_index",
        "j_ptfrac",
        *(f"j_{f}" for f in reversed(FEATURES)),
        *(f"j_{c}" for c in CLASSES),
        "j_undef",
        "p_pt",
    )
    block = np.zeros(rows * repeats, [(name, "f4" if name != "j_index" else "i4") for name in columns])
    for i, feature in enumerate(FEATURES):
        block[f"j_{feature}"] = np.repeat(x[:, i], repeats)
    for i, name in enumerate(CLASSES):
        block[f"j_{name}"] = np.repeat(one_hot(letters)[:, i], repeats)
    block["p_pt"] = np.arange(rows * repeats)
    if change:
        block = change(block)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(table, data=block)
    return buffer.getvalue()


def hdf5_jets(rows, seed, columns=JET_COLUMNS, particles=12, change=None):
    """One file of a Zenodo archive. Returns its bytes, features and letters."""
    x, letters = jets(rows, seed)
    table = np.random.default_rng(seed + 1).normal(size=(rows, len(columns)))
    for i, name in enumerate(columns):
        feature = name.removeprefix("j_")
        if feature in FEATURES:
            table[:, i] = x[:, FEATURES.index(feature)]
        elif feature in CLASSES:
            table[:, i] = one_hot(letters)[:, CLASSES.index(feature)]
        elif feature == "undef":
            table[:, i] = 0
    if change:
        change(table)
    constituents = np.zeros((rows, particles, 16))
    for jet in range(rows):
        n = 1 + jet % particles
        constituents[jet, :n] = np.random.default_rng(jet + 100 * seed).normal(size=(n, 16)).astype(np.float32)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["jets"] = table
        file["jetFeatureNames"] = np.array([name.encode() for name in columns])
        file["jetConstituentList"] = constituents
        file["particleFeatureNames"] = np.array([name.encode() for name in PARTICLE_COLUMNS])
        file["jetImage"] = np.zeros((rows, 4, 4))
    return buffer.getvalue(), x, letters


def archive(files, **keys):
    """A Zenodo archive of files (name -> jets). Returns its bytes, and the features of all jets in its order."""
    buffer, xs = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        folder = tarfile.TarInfo(next(iter(files)).partition("/")[0])
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for seed, (name, rows) in enumerate(files.items()):
            body, x, _ = hdf5_jets(rows, hash_of(name) + seed, **keys)
            # macOS leaves such files in archives
            for path, content in ((name.replace("/", "/._"), b"Mac"), (name, body)):
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            xs.append(x)
    return buffer.getvalue(), np.concatenate(xs)


def hash_of(name):
    return sum(map(ord, name))
