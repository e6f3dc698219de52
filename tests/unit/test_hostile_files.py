"""Files from somebody else that would run code, or lead elsewhere, when they are read: each is refused with a message.

The payload of each makes a file named `pwned`; that it can is shown where a reader is careless on purpose.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from conftest import ROOT
from onnx import TensorProto, helper
from test_export import network

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import read_vectors
from nanotrigger.data.formats import TABLE, read_table
from nanotrigger.data.sources import PublishedFile
from nanotrigger.errors import DataError, ExportError, NanotriggerError
from nanotrigger.flows import hls4ml
from nanotrigger.lint import shells, unsafe, unsafe_files
from nanotrigger.methods import external
from nanotrigger.methods.base import Job
from nanotrigger.qonnx.execute import load_model
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.training.keras_file import load_network

PICKLE = b"cos\nsystem\n(S'touch pwned'\ntR."
"""A pickle of protocol 0 that runs a command when it is read."""


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    """The working folder is the test's own, and holds no `pwned` at its end."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("pwned").exists()


def hostile_npz(path):
    """An .npz file whose array x is of objects, that is a pickle."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "|O", "fortran_order": False, "shape": (3,)})
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", array.getvalue() + PICKLE)
    return path


def hostile_pt(path):
    """What torch.save writes: a zip archive with a pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", PICKLE)
        file.writestr("archive/version", b"3\n")
    return path


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_payload_works_where_a_reader_is_careless():
    run(f"import pickle; pickle.loads({PICKLE!r})")
    assert Path("pwned").exists()
    Path("pwned").unlink()
    run(f"import numpy; numpy.load({str(hostile_npz(Path('a.npz')))!r}, allow_pickle=True)['x']")
    assert Path("pwned").exists()
    Path("pwned").unlink()


def test_vectors_that_are_a_pickle(tmp_path):
    write_qonnx(network(4, hidden_units=4), tmp_path / "m.onnx", {})
    params = external.Params(path="m.onnx", vectors=str(hostile_npz(Path("v.npz"))))
    with pytest.raises(DataError, match=r"v\.npz: not an \.npz file \(Object arrays cannot be loaded"):
        external._make_vectors(None, [Job("m", params, 0, tmp_path / "m")], {}, tmp_path / "vectors.npz")
    with pytest.raises(NanotriggerError, match=r"v\.npz: cannot be read \(Object arrays cannot be loaded"):
        read_vectors(Path("v.npz"))


def test_torch_files_are_no_models(tmp_path):
    path = hostile_pt(Path("model.pt"))
    with pytest.raises(NanotriggerError, match=r"model\.pt: not a readable ONNX file"):
        external.train(None, [Job("m", external.Params(path=str(path)), 0, tmp_path / "m")])
    path.write_bytes(PICKLE)
    with pytest.raises(NanotriggerError, match=r"model\.pt: not a readable ONNX file"):
        load_model(path)


@pytest.mark.parametrize("write", [hostile_pt, lambda path: path.write_bytes(PICKLE)])
def test_torch_files_in_place_of_a_checkpoint_or_a_network(write, capsys):
    """safetensors holds numbers alone: nothing of the file is used, and a training starts anew."""
    import torch
    from safetensors import SafetensorError

    from nanotrigger.training.checkpoint import Checkpoint
    from nanotrigger.training.network import BatchedMLP

    path = Path("network.safetensors")
    write(path)
    assert Checkpoint(path).restore("x", {"w": torch.zeros(2)}) == 0
    assert "not a readable checkpoint" in capsys.readouterr().out
    with pytest.raises((SafetensorError, NanotriggerError)):
        BatchedMLP.load(path)


def keras_file(path, layer):
    """A .keras archive of one layer between input and output."""
    config = {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "s", "layers": [
            {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
             "config": {"batch_shape": [None, 2], "dtype": "float32", "name": "i"}},
            layer,
        ]},
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": ""}))
        weights = io.BytesIO()
        with h5py.File(weights, "w"):
            pass
        file.writestr("model.weights.h5", weights.getvalue())
    return path


def lambda_layer():
    """A Lambda layer with Python's bytecode in it, as Keras writes one."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    code = "lambda x: __import__('os').system('touch pwned') or x"
    return keras.saving.serialize_keras_object(keras.layers.Lambda(eval_of(code), output_shape=(2,), name="evil"))


def eval_of(code):
    import types

    return types.FunctionType(compile(code, "<evil>", "eval").co_consts[0], {"__builtins__": __builtins__})


SYSTEM = {"module": "os", "class_name": "system", "config": {"command": "touch pwned"}, "registered_name": "system"}


def test_keras_files_that_run_code(tmp_path):
    """Python's bytecode in a Lambda layer, and a class that is a function of another module."""
    files = keras_file(Path("lambda.keras"), lambda_layer()), keras_file(Path("system.keras"), SYSTEM)
    careless = "import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras; m = keras.models.load_model"
    run(f"{careless}('lambda.keras', compile=False, safe_mode=False); import numpy; m(numpy.zeros((1, 2)))")
    assert Path("pwned").exists(), "the file is one that would work"
    Path("pwned").unlink()
    for path in files:
        with pytest.raises(NanotriggerError, match=rf"{path}: not a Keras network that can be read safely"):
            load_network(path)
    with pytest.raises(NanotriggerError, match=r"lambda\.keras: not a Keras network.*Lambda"):
        hls4ml.create_project(files[0], "keras", tmp_path / "project", hls4ml.Params())
    Path("cut.keras").write_bytes(files[0].read_bytes()[:200])
    with pytest.raises(NanotriggerError, match=r"cut\.keras: not a Keras network that can be read safely"):
        load_network(Path("cut.keras"))


def jets_table(file, **options):
    names = [*(f"j_{name}" for name in FEATURES), *(f"j_{name}" for name in CLASSES)]
    file.create_dataset(TABLE, (4,), [(name, "f4") for name in names], **options)


def test_hdf5_files_that_lead_to_other_files():
    """By a link, as external storage, as a virtual dataset; the numbers there are read by nobody."""
    source = PublishedFile("cernbox", "jets.z", "table")
    with h5py.File("other.h5", "w") as file:
        jets_table(file)
        kind = file[TABLE].dtype
    Path("secret").write_bytes(bytes(4 * kind.itemsize))
    with h5py.File("link.h5", "w") as file:
        file[TABLE] = h5py.ExternalLink("other.h5", TABLE)
    with h5py.File("soft.h5", "w") as file:
        file["there"] = h5py.ExternalLink("other.h5", "/")
        file[TABLE] = h5py.SoftLink(f"/there/{TABLE}")
    with h5py.File("raw.h5", "w") as file:
        jets_table(file, external=[("secret", 0, 4 * kind.itemsize)])
    with h5py.File("virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4,), kind)
        layout[:] = h5py.VirtualSource("other.h5", TABLE, (4,))
        file.create_virtual_dataset(TABLE, layout)
    for name in ("link", "soft", "raw", "virtual"):
        with pytest.raises(DataError, match=rf"{name}\.h5: its {TABLE} lies in another file.*refused"):
            read_table(source, Path(f"{name}.h5"))
    with pytest.raises(DataError, match="not of exactly one of the classes"):
        read_table(source, Path("other.h5"))  # this one is read


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "there/../../secret"])
def test_onnx_files_whose_numbers_lie_elsewhere(location, tmp_path):
    """Beside the file is where ONNX allows them; out of its folder they are refused."""
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "model/there").mkdir(parents=True)
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (4,), np.zeros(4, np.float32).tobytes(), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    ports = [value("x", 1, (1, 4))], [value("y", 1, (1, 4))]
    (tmp_path / "model/m.onnx").write_bytes(
        helper.make_model(helper.make_graph(nodes, "g", *ports, [tensor])).SerializeToString()
    )
    with pytest.raises(NanotriggerError, match=r"m\.onnx: not a readable ONNX file"):
        load_model(tmp_path / "model/m.onnx")
    assert onnx.load(tmp_path / "model/m.onnx", load_external_data=False).graph.node


@pytest.mark.parametrize(
    "line, reason",
    [
        ("import pickle", "imports pickle"),
        ("from joblib import load", "imports joblib"),
        ("import numpy as np; np.load('a')", "np.load needs allow_pickle=False"),
        ("np.load('a', allow_pickle=True)", "allow_pickle must be False"),
        ("np.load('a', None, given)", "np.load needs allow_pickle=False"),
        ("torch.load('a', weights_only=True)", "use safetensors"),
        ("keras.models.load_model('a')", "needs safe_mode=True"),
        ("keras.saving.load_model('a', safe_mode=False)", "safe_mode must be True"),
        ("pd.read_pickle('a')", "unpickles"),
        ("pandas.read_hdf('a')", "use h5py"),
        ("yaml.load(text, Loader=yaml.SafeLoader)", "use yaml.safe_load"),
        ("yaml.unsafe_load(text)", "any Python object"),
        ("keras.config.enable_unsafe_deserialization()", "lets Keras files run code"),
        ("subprocess.run(f'ls {name}', shell=True)", "shell=True"),
        ("os.system(f'ls {name}')", "hands text to a shell"),
        ("eval(text)", "runs text"),
    ],
)
def test_the_linter_names_what_could_run_what_it_reads(line, reason):
    ((number, found),) = set(unsafe(f"\n{line}\n"))
    assert number == 2 and reason in found


def test_the_linter_lets_pass_what_is_safe():
    safe = "np.load('a', allow_pickle=False)\nyaml.safe_load(t)\nsubprocess.run(['ls', name])\nnetwork.eval()\nload_model(p)\n"
    assert list(unsafe(safe)) == []
    assert list(shells('rule a:\n    shell:\n        "cp {input} {output}"\n')) == [
        (2, "a rule of this workflow runs a script, so that no name reaches a shell")
    ]


def test_no_source_could_run_what_it_reads():
    assert unsafe_files(ROOT) == []


def test_an_external_model_without_a_quantiser_is_still_its_own_error(tmp_path):
    """The refusals above are not of everything: a plain float model is read, and refused for what it is."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g", [value("x", 1, (1, 4))], [value("y", 1, (1, 4))]
    )
    onnx.save(helper.make_model(graph), "m.onnx")
    with pytest.raises(ExportError, match="it is a float model"):
        external.train(None, [Job("m", external.Params(path="m.onnx"), 0, tmp_path / "m")])
