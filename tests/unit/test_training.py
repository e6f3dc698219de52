"""The batched engine against torch's own modules, against each model alone, and against numpy."""

import itertools

import numpy as np
import pytest
import torch

from nanotrigger.errors import NanotriggerError
from nanotrigger.methods import prune as prune_method
from nanotrigger.methods import ptq, uniform
from nanotrigger.methods.base import Job
from nanotrigger.training import checkpoint, loop, network, snapshot
from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.optimiser import Adam
from nanotrigger.training.parts import useful_threads
from nanotrigger.training.pruning import polynomial_sparsity, prune

SIZES = (16, 8, 6, 5)
FLOAT = Widths.floating(3)


def stack(models, widths=FLOAT, seeds=None, **options):
    return BatchedMLP(SIZES, [widths] * models, 4.0, seeds or list(range(models)), **options)


def test_adam_is_torchs_with_a_rate_for_each_model():
    rng = np.random.default_rng(0)
    start = torch.from_numpy(rng.normal(size=(3, 4, 2)).astype(np.float32))
    gradients = torch.from_numpy(rng.normal(size=(20, 3, 4, 2)).astype(np.float32))
    rates = [1e-3, 1e-2, 0.3]
    ours = start.clone().requires_grad_()
    optimiser = Adam([ours])
    for number, gradient in enumerate(gradients, 1):
        ours.grad = gradient[:]
        optimiser.step(number, torch.tensor(rates))
    for model, rate in enumerate(rates):
        theirs = start[model].clone().requires_grad_()
        reference = torch.optim.Adam([theirs], rate)
        for gradient in gradients:
            theirs.grad = gradient[model].clone()
            reference.step()
        torch.testing.assert_close(ours[model], theirs, rtol=1e-5, atol=1e-6)


def torch_module(network, model):
    """The same network of torch's Linear and BatchNorm1d, whose normalisation is not folded."""
    layers = []
    for layer in range(network.layers):
        w, b = network.weights[layer][model], network.biases[layer][model, 0]
        linear = torch.nn.Linear(*w.shape, bias=False)
        norm = torch.nn.BatchNorm1d(w.shape[1])
        with torch.no_grad():
            linear.weight.copy_(w.T)
            norm.weight.copy_(network.gammas[layer][model, 0])
            norm.bias.copy_(b)
            norm.running_mean.copy_(getattr(network, f"mean{layer}")[model, 0])
            norm.running_var.copy_(getattr(network, f"variance{layer}")[model, 0])
        layers += [linear, norm, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def test_folded_batch_normalisation_is_torchs():
    """Outputs, gradients and running statistics while training, and the folded network afterwards."""
    torch.manual_seed(0)
    network = stack(2, batch_norm=True)
    with torch.no_grad():
        for p in (*network.gammas, *network.biases):
            p.add_(0.3 * torch.randn_like(p))
    x, y = torch.randn(200, 16) * 2 + 1, torch.randint(0, 5, (200,))
    network.train()
    theirs = [torch_module(network, model).train() for model in range(2)]
    ours = network(x)
    loop.cross_entropy(ours, y).sum().backward()
    for model, module in enumerate(theirs):
        out = module(x)
        torch.testing.assert_close(ours[model], out, rtol=1e-4, atol=1e-4)
        torch.nn.functional.cross_entropy(out, y).backward()
        for layer in range(3):
            linear, norm = module[3 * layer], module[3 * layer + 1]
            torch.testing.assert_close(network.weights[layer].grad[model].T, linear.weight.grad, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(network.gammas[layer].grad[model, 0], norm.weight.grad, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(
                getattr(network, f"mean{layer}")[model, 0], norm.running_mean, rtol=1e-4, atol=1e-5
            )
            # torch's running variance has n - 1 in its denominator
            torch.testing.assert_close(
                getattr(network, f"variance{layer}")[model, 0], norm.running_var, rtol=0.01, atol=1e-5
            )
    for model in range(2):
        expected = torch_module(network, model).eval()(x)
        torch.testing.assert_close(network.eval()(x)[model], expected, rtol=1e-4, atol=1e-4)
        folded = network.folded([model])
        assert not folded.batch_norm
        torch.testing.assert_close(folded(x)[0], expected, rtol=1e-4, atol=1e-4)


def test_frozen_statistics_train_what_is_saved():
    network = stack(1, Widths.uniform(3, 5, 8), batch_norm=True)
    x = torch.randn(300, 16)
    network.calibrate(x, statistics=True)
    expected = network.folded()(x)
    network.train().frozen = True
    assert torch.equal(network(x), expected)
    network.frozen = False
    assert not torch.equal(network(x[:50]), expected[:, :50]), "statistics of the batch"


def jobs_of(method, folder, points, seeds=(0,), **keys):
    keys = {"hidden": (8, 6), "epochs": 6, "batch_size": 128, **keys}
    inputs = {step.output: folder / step.output for step in getattr(method, "steps", ())}
    jobs = [
        Job(f"model{i}", method.Params(**keys, **point), seed, folder / f"{i}/{seed}", inputs, folder / "checkpoints")
        for (i, point), seed in itertools.product(enumerate(points), seeds)
    ]
    return jobs


def train(method, data, jobs):
    for step in getattr(method, "steps", ()):
        step.run(data, jobs, {}, jobs[0].inputs[step.output])
    method.train(data, jobs)


def history(job):
    return (job.folder / "history.csv").read_text()


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_job_asks_for_a_thread_for_each_part():
    for models, jets in ((1, 2048), (9, 2048), (64, 512), (40, 1024)):
        assert useful_threads(models, jets, 64) == len(wide(models).parts(jets))
    assert useful_threads(1000, 2048, 64) == 8, "and not for more than most machines have"


def wide(models):
    return BatchedMLP((16, 64, 5), [Widths.uniform(2, 4, 8)] * models, 1.0, [0] * models)


@pytest.mark.parametrize("parts", [1, 3])
def test_models_train_in_a_stack_as_they_do_alone(parts, toy, tmp_path, monkeypatch, three_threads):
    """Widths, rates, penalties and seeds of their own; one is done early and must not learn on with the others.

    Also where a stack is too large for a cache and goes through its epochs in parts, each in a thread.
    """
    monkeypatch.setattr(network, "cells", lambda device: 6 // parts * 128 * 16)
    assert len(stack(6).parts(128)) == parts and torch.get_num_threads() == 3
    points = [
        {"bits": 4, "learning_rate": 0.05, "l1": 1e-3},
        {"bits": 8, "learning_rate": 1e-3},
        {"bits": 6, "learning_rate": 0.02, "l1": 1e-4},
    ]
    keys = {"epochs": 25, "patience": 3}
    together = jobs_of(uniform, tmp_path / "together", points, seeds=(1, 4), **keys)
    train(uniform, toy, together)
    lengths = set()
    for job in together:
        (alone,) = jobs_of(uniform, tmp_path / f"alone/{job.model}", [points[int(job.model[-1])]], (job.seed,), **keys)
        train(uniform, toy, [alone])
        assert history(alone) == history(job)
        x = toy.standardised("test").x
        np.testing.assert_array_equal(uniform.predict(alone.folder, x), uniform.predict(job.folder, x))
        lengths.add(len(history(job).splitlines()))
    assert torch.get_num_threads() == 3, "left as they were"
    assert min(lengths) < max(lengths) == 26, "no model stopped before another"
    assert not (tmp_path / "together/checkpoints").exists()


def test_a_penalty_acts_on_its_model_alone(toy, tmp_path):
    jobs = jobs_of(uniform, tmp_path, [{"l1": 0.0}, {"l1": 0.02}], learning_rate=0.01, epochs=20)
    train(uniform, toy, jobs)
    norms = []
    for job in jobs:
        network = BatchedMLP.load(job.folder / "model/network.safetensors")
        norms.append(sum(float(w.detach().abs().sum()) for w in network.weights))
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize("method, point", [(uniform, {}), (prune_method, {"sparsity": 0.6}), (ptq, {})])
@pytest.mark.parametrize("bits", [3, 8])
def test_batch_normalisation_is_exported_exactly(method, point, bits, toy, tmp_path):
    """The file holds no normalisation, and gives what the method predicts, bit for bit."""
    import onnx

    from nanotrigger.qonnx.execute import execute

    (job,) = jobs_of(method, tmp_path, [point], bits=bits, batch_norm=True, learning_rate=0.01)
    train(method, toy, [job])
    path = tmp_path / "model.onnx"
    method.export(job.folder, "qonnx", path, {})
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds <= {"Quant", "MatMul", "Add", "Relu", "Cast"}
    x = toy.standardised("test").x
    found = method.predict(job.folder, x)
    np.testing.assert_array_equal(execute(path, x)[0], found)
    assert (found.argmax(1) == toy.test.y).mean() > 0.3, "it learnt nothing: chance is 0.2"


@pytest.mark.parametrize("epoch, expected", [(1, 0.0), (10, 0.0), (15, 0.7 * (1 - 0.75**3)), (20, 0.6125), (30, 0.7)])
def test_polynomial_schedule(epoch, expected):
    """s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3 by hand, at s_i = 0: half way, 7/8 of the final sparsity."""
    assert polynomial_sparsity(epoch, 0.7, 10, 30) == pytest.approx(expected)
    assert polynomial_sparsity(99, 0.7, 10, 30) == 0.7


def test_the_smallest_weights_go_and_do_not_come_back():
    network = stack(2, pruned=True)
    before = [w.detach().clone() for w in network.weights]
    prune(network, torch.tensor([0.5, 0.25]))
    for layer, w in enumerate(before):
        for model, share in enumerate((0.5, 0.25)):
            mask, size = getattr(network, f"mask{layer}")[model], w[model].numel()
            assert int((mask == 0).sum()) == round(share * size)
            assert w[model].abs()[mask == 0].max() <= w[model].abs()[mask == 1].min()
    first = [getattr(network, f"mask{layer}").clone() for layer in range(3)]
    with torch.no_grad():
        for w in network.weights:
            w.copy_(w.flip(1) * 5)
    prune(network, torch.tensor([0.75, 0.5]))
    for layer in range(3):
        mask = getattr(network, f"mask{layer}")
        assert (mask[first[layer] == 0] == 0).all()
        assert int((mask[0] == 0).sum()) == round(0.75 * mask[0].numel())
    network(torch.randn(50, 16)).sum().backward()
    assert (network.weights[0].grad[network.mask0 == 0] == 0).all()


def test_pruned_weights_are_zero_in_the_file_and_cost_nothing(toy, tmp_path):
    import onnx
    from onnx import numpy_helper

    points = [{"sparsity": s} for s in (0.0, 0.5, 0.9)]
    jobs = jobs_of(prune_method, tmp_path, points, epochs=10, learning_rate=0.01, hidden=(16, 8))
    train(prune_method, toy, jobs)
    costs = []
    for job, share in zip(jobs, (0.0, 0.5, 0.9), strict=True):
        costs.append(prune_method.export(job.folder, "qonnx", tmp_path / "m.onnx", {}))
        constants = onnx.load(tmp_path / "m.onnx").graph.initializer
        weights = [numpy_helper.to_array(c) for c in constants if c.name.endswith("weight_float")]
        assert [w.shape for w in weights] == [(16, 16), (16, 8), (8, 5)]
        for w in weights:
            assert (w == 0).sum() >= round(share * w.size)
        assert costs[-1]["nonzero_weights"] == sum((w != 0).sum() for w in weights)
    for key in ("bops_hawq", "ebops", "nonzero_weights"):
        assert costs[0][key] > costs[1][key] > costs[2][key]


def test_post_training_quantisation_against_numpy(toy, tmp_path):
    """Every range by search over powers of two, every number by rounding, from the teacher's parameters alone."""
    jobs = jobs_of(ptq, tmp_path, [{"bits": 5}, {"bits": 3}], seeds=(2, 0), epochs=8, learning_rate=0.01, input_bits=9)
    train(ptq, toy, jobs)
    teachers = BatchedMLP.load(jobs[0].inputs["teacher.safetensors"])
    train_x, test_x = (toy.standardised(split).x.astype(np.float64) for split in ("train", "test"))

    def best(values, grid, power):
        reaches = 2.0 ** np.arange(-12, 8)
        return reaches[np.argmin([(np.abs(grid(values, r) - values) ** power).sum() for r in reaches])]

    for job in jobs:
        bits, teacher = job.params.bits, (0, 2).index(job.seed)

        def signed(v, reach, bits=bits):
            step = reach / 2 ** (bits - 1)
            return np.clip(np.round(v / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * step

        def unsigned(v, reach, bits=bits):
            step = reach / 2**bits
            return np.clip(np.floor(v / step + 0.5), 0, 2**bits - 1) * step

        step = 2.0 ** np.ceil(np.log2(np.abs(train_x).max())) / 2**8
        seen, out = (np.clip(np.round(v / step), -256, 255) * step for v in (train_x, test_x))
        for layer in range(3):
            w, b = (p[layer].detach()[teacher].double().numpy() for p in (teachers.weights, teachers.biases))
            w, b = (signed(v, best(v, signed, 2)) for v in (w, b))
            seen, out = seen @ w + b, out @ w + b
            if layer < 2:
                seen, out = np.maximum(seen, 0), np.maximum(out, 0)
                reach = best(seen, unsigned, 1)
                seen, out = unsigned(seen, reach), unsigned(out, reach)
        np.testing.assert_array_equal(ptq.predict(job.folder, test_x.astype(np.float32)), out)
    assert history(jobs[0]) != history(jobs[1]), "each seed has a teacher of its own"
    assert history(jobs[0]) == history(jobs[2])


def test_a_diverging_model_is_named_and_nothing_is_left(toy, tmp_path):
    points = [{"learning_rate": 1e-3}, {"learning_rate": 1e30}, {"learning_rate": 1e30, "batch_norm": True}]
    jobs = jobs_of(uniform, tmp_path, points)
    with pytest.raises(
        NanotriggerError, match=r"^model1 \(seed 0\): the loss is not a number after epoch \d.*\(1e\+30\)"
    ):
        train(uniform, toy, jobs)
    # also where another stack of the stanza has come to a good end before
    with pytest.raises(NanotriggerError, match=r"^model2 \(seed 0\): the loss is not a number"):
        train(uniform, toy, [jobs[0], jobs[2]])
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_checkpoint_of_another_training_is_not_used(toy, tmp_path, monkeypatch, capsys):
    """Other settings, other data, a damaged file: the training starts anew, says so, and gives what it gives alone."""
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0.0)

    def models(network, name):
        schedule = loop.Schedule(4, 128, 9, (0.01,), (0.0,))
        keep = checkpoint.Checkpoint(tmp_path / "c/x.safetensors")
        loop.fit(network, toy, schedule, [name], [0], keep)
        return [p.detach().clone() for p in network.parameters()]

    expected = models(stack(1), "model")
    other = checkpoint.Checkpoint(tmp_path / "c/x.safetensors")
    tensors = {"weights.0": torch.zeros(1)}
    other.write("another identity", 3, tensors)
    found = models(stack(1), "model")
    assert "of other settings, data, code or device; the training starts anew" in capsys.readouterr().out
    other.written = 0.0
    other.write("another identity", 3, tensors)
    whole = other.path.read_bytes()
    for content in (b"not a checkpoint", b"", whole[:9], whole[:-2], whole[:-4] + b"{"):
        other.path.write_bytes(content)
        damaged = models(stack(1), "model")
        assert "the training starts anew" in capsys.readouterr().out
        for a, b, c in zip(expected, found, damaged, strict=True):
            assert torch.equal(a, b) and torch.equal(a, c)
        other.path.parent.mkdir()
    identities = {
        checkpoint.fingerprint(settings, [torch.tensor(values)])
        for settings, values in ((1, [1.0]), (2, [1.0]), (1, [1.5]))
    }
    assert len(identities) == 3
