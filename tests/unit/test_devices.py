"""Where trainings run: what is asked for is used or refused, and a GPU, where there is one, gives what it should."""

import numpy as np
import pytest
import torch
from test_kinds import layers
from test_training import SIZES, history, jobs_of, stack, train

from nanotrigger.errors import ConfigError
from nanotrigger.methods import prune, uniform
from nanotrigger.training import devices, kinds, loop
from nanotrigger.training.network import Widths

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


def test_the_processor_where_there_is_no_gpu(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.training_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: None)
    assert devices.training_device() == torch.device("cuda:0")
    assert devices.training_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setenv(devices.VARIABLE, "cpu")
    assert devices.training_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:", "gpu", "CPU", "cuda:x"])
def test_a_device_that_torch_does_not_have_is_refused(name):
    with pytest.raises(ConfigError, match=f"device = '{name}': is none of auto, cpu, cuda"):
        devices.training_device(name)


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_trained(toy, tmp_path, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "cuda:63")
    with pytest.raises(
        ConfigError, match=r"device = 'cuda:63': is not on this machine .*Set run\.device to auto or cpu"
    ):
        train(uniform, toy, jobs_of(uniform, tmp_path, [{}]))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("jets", [256, 1024])
def test_no_step_waits_for_the_device(jets, toy, monkeypatch):
    """As many numbers come back from a device in an epoch of two steps as in one of eight."""
    counts = [0]
    for name in ("item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__index__"):
        original = getattr(torch.Tensor, name)

        def counted(tensor, *arguments, original=original):
            counts[-1] += 1
            return original(tensor, *arguments)

        monkeypatch.setattr(torch.Tensor, name, counted)
    network = stack(2, Widths.uniform(3, 5, 8), batch_norm=True)
    optimiser = loop.Adam(network.parameters())
    part = loop._Part(slice(0, 2), network, optimiser, torch.ones(2) * 1e-3, torch.ones(2) * 1e-4, [0, 1])
    x, y = torch.randn(1024, SIZES[0]), torch.randint(0, 5, (1024,))
    # the choice of ranges looks at its own results
    monkeypatch.setattr(network, "calibrate", lambda x: None)
    for batch in (jets // 2, jets // 8):
        counts.append(0)
        part.epoch(x[:jets], y[:jets], batch, 1, 1.0)
    assert counts[1] == counts[2]


@pytest.mark.parametrize("kind", ["float", "fixed", "mixed"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_epoch_leaves_its_tensors_where_the_network_is(kind, batch_norm, monkeypatch):
    """With torch's own device without values, which takes no tensor of another device in an operation, as a GPU does."""
    for name, value in {"__float__": 8.0, "__int__": 8, "item": 8, "__bool__": False}.items():
        original = getattr(torch.Tensor, name)

        def answered(tensor, original=original, value=value):
            return value if tensor.is_meta else original(tensor)

        monkeypatch.setattr(torch.Tensor, name, answered)
    # every branch, with every model
    monkeypatch.setattr(kinds, "members", lambda kind, *kinds: torch.arange(len(kind), device=kind.device))
    of_kind = {
        "float": Widths.floating(3),
        "fixed": Widths.uniform(3, 5, 8),
        "mixed": Widths.of(8, layers(("binary", "po2_4", 5), ("po2_3", 4, "ternary"), ("binary", 3))),
    }
    network = stack(3, of_kind[kind], batch_norm=batch_norm, seeds=[0, 1, 1]).to("meta")
    optimiser = loop.Adam(network.parameters())
    x, y = torch.randn(512, SIZES[0], device="meta"), torch.randint(0, 5, (512,), device="meta")
    for models, part in network.parts(128):
        tensors = torch.ones(3)[models] * 1e-3, torch.ones(3)[models] * 1e-4
        mine = loop._Part(models, part, optimiser.part(models, part.parameters()), *tensors, [0, 1, 1][models])
        mine.epoch(x, y, 128, 1, 1.0)
        loss, accuracy = loop.evaluate(part, x, y)
        assert loss.is_meta and accuracy.is_meta and mine.loss.is_meta


@GPU
@pytest.mark.parametrize("method, point", [(uniform, {"bits": 6}), (prune, {"sparsity": 0.5})])
def test_a_gpu_trains_the_same_model_twice_and_one_as_good_as_the_processors(method, point, toy, tmp_path, monkeypatch):
    from nanotrigger.qonnx.execute import execute

    x, right = toy.standardised("test").x, []
    for device in ("cuda", "cuda", "cpu"):
        monkeypatch.setenv(devices.VARIABLE, device)
        folder = tmp_path / str(len(right))
        jobs = jobs_of(method, folder, [point], seeds=(0, 1), batch_norm=True, epochs=20, learning_rate=0.01)
        train(method, toy, jobs)
        method.export(jobs[0].folder, "qonnx", folder / "model.onnx", {})
        found = method.predict(jobs[0].folder, x)
        np.testing.assert_array_equal(execute(folder / "model.onnx", x)[0], found)
        right.append((found.argmax(1) == toy.test.y).mean())
    first, again = (jobs_of(method, tmp_path / name, [point], seeds=(0, 1)) for name in "01")
    for a, b in zip(first, again, strict=True):
        assert history(a) == history(b)
        np.testing.assert_array_equal(method.predict(a.folder, x), method.predict(b.folder, x))
    assert abs(right[0] - right[2]) < 0.05
