"""HGQ2 networks trained as compiled epochs: several walks of beta in one jax program.

HGQ2's own `fit` returns to Python after every batch and for every callback, and validates by a path that wraps around
(its remainders cost as much as the training does). Here an epoch with its validation is one call, jets are shuffled
before it, and what leaves it is copied only where a front takes it in: 2 to 5 per cent of an epoch are outside that call.

The walks of a program run one after the other on the same compiled code. Vectorised over walks they cost 5 per cent more:
a single network fills the vector units already, and its activations fit into the cache. A walk's result therefore does
not depend on which others train with it. Both are measured by `python -m bench hgq_epoch`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

# jobs that share cores slow each other down many times over, and one thread gives the same sums everywhere
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
from hgq.config import QuantizerConfig
from hgq.layers import QDense

from nanotrigger.data.dataset import Split
from nanotrigger.errors import NanotriggerError
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser
from nanotrigger.training.snapshot import Snapshot, fingerprint

SHARED_AXES = {
    "parameter": {"input": (0,), "weight": (), "bias": ()},
    "channel": {"input": (0,), "weight": (0,), "bias": ()},
    "layer": {"input": (0, 1), "weight": (0, 1), "bias": (0,)},
}
"""Axes along which a width is shared (HGQ2's homogeneous_axis): of inputs (jets, units), weights (in, out), biases (out,).

A channel of a dense layer is one of its units: per channel, the weights that lead to a unit share their width.
"""

HISTORY = ("epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy", "beta", "ebops")
PACKAGES = ("jax", "jaxlib", "keras", "HGQ2", "quantizers", "numpy")


def build(sizes: Sequence[int], granularity: str = "parameter", overflow: str = "WRAP") -> keras.Sequential:
    """An HGQ2 perceptron with trainable widths.

    granularity: a key of SHARED_AXES. overflow: "WRAP" while training, where the range follows the data; "SAT" once it
    is fixed.
    """
    shared = SHARED_AXES[granularity]
    layers = [keras.layers.Input((sizes[0],))]
    for i, units in enumerate(sizes[1:]):
        # the first quantiser is the network's port: QONNX rounds half to even there; later half steps go into biases
        rounding = "RND" if i else "RND_CONV"
        layers.append(
            QDense(
                units,
                activation="relu" if i < len(sizes) - 2 else None,
                name=f"dense{i}",
                iq_conf=QuantizerConfig(
                    "kif", "datalane", round_mode=rounding, overflow_mode=overflow, homogeneous_axis=shared["input"]
                ),
                kq_conf=QuantizerConfig("kbi", "weight", homogeneous_axis=shared["weight"]),
                bq_conf=QuantizerConfig("kbi", "bias", homogeneous_axis=shared["bias"]),
            )
        )
    return keras.Sequential(layers)


@dataclass(frozen=True)
class Walk:
    """One training: the model it is named after, a seed, and beta per epoch."""

    name: str
    seed: int
    beta: tuple[float, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A point of a walk: epoch, validation accuracy, EBOPs while training, and its numbers by name."""

    epoch: int
    accuracy: float
    ebops: float
    numbers: dict[str, np.ndarray]


@dataclass
class Walked:
    """What a walk leaves: a row of HISTORY per epoch, and the checkpoints that no other beats in accuracy and EBOPs."""

    history: list[tuple[float, ...]] = field(default_factory=list)
    front: list[Checkpoint] = field(default_factory=list)

    def rows(self) -> list[dict[str, float]]:
        return [dict(zip(HISTORY, row, strict=True)) for row in self.history]

    def improves(self, accuracy: float, ebops: float) -> bool:
        return not any(c.accuracy >= accuracy and c.ebops <= ebops for c in self.front)

    def add(self, new: Checkpoint) -> None:
        self.front = [c for c in self.front if c.accuracy > new.accuracy or c.ebops < new.ebops] + [new]


def _numbers(model: keras.Sequential) -> dict[str, keras.Variable]:
    """The variables that a checkpoint consists of, as '<layer>.weight', '.weight_bits', '.weight_integer' (integer bits)..."""
    found = {}
    for i, layer in enumerate(model.layers):
        found[f"{i}.fraction"] = layer.iq.quantizer._f
        for name, variable, q in (
            ("weight", layer._kernel, layer.kq.quantizer),
            ("bias", layer.bias, layer.bq.quantizer),
        ):
            found |= {f"{i}.{name}": variable, f"{i}.{name}_bits": q._b, f"{i}.{name}_integer": q._i}
    return found


@dataclass(frozen=True)
class Layers:
    """What walks train. build(sizes, granularity): a Keras network of HGQ2's layers; numbers(network): what a checkpoint of
    it consists of, variables by name. name: tells a snapshot's training from another."""

    name: str
    build: Callable[[Sequence[int], str], keras.Sequential]
    numbers: Callable[[keras.Sequential], dict[str, keras.Variable]]


DENSE = Layers("dense", build, _numbers)


def train_walks(
    sizes: Sequence[int],
    granularity: str,
    walks: Sequence[Walk],
    train: Split,
    val: Split,
    batch_size: int,
    learning_rate: Callable[[int], float],
    stop_below: float,
    progress: Callable[[range], Iterable[int]] = iter,
    snapshot: Snapshot | None = None,
    layers: Layers = DENSE,
) -> list[Walked]:
    """Train all walks and keep, per walk, the checkpoints that no other beats in both accuracy and EBOPs.

    train, val: standardised jets. learning_rate: rate of an epoch, counted from 0. A walk ends after its last beta, or once
    it has fewer EBOPs than `stop_below`. With a `snapshot` a training that was interrupted goes on and gives the same result,
    bit for bit; it is removed at the end. Raises NanotriggerError naming the model whose loss is not a number.
    """
    states = []
    for walk in walks:
        keras.utils.set_random_seed(walk.seed)
        model = layers.build(sizes, granularity)
        optimiser = keras.optimizers.Adam()
        optimiser.build(model.trainable_variables)
        groups = (model.trainable_variables, model.non_trainable_variables, optimiser.variables)
        states.append(tuple([v.value for v in group] for group in groups))
    state = jax.tree.map(lambda *a: jnp.stack(a), *states)
    variables = layers.numbers(model)
    names, structure = list(variables), jax.tree.structure(state)
    batch = min(batch_size, len(train.x))
    steps = len(train.x) // batch
    compiled = _compiled(model, optimiser, list(variables.values()))
    data = [jnp.asarray(a) for a in (train.x, train.y.astype(np.int32), val.x, val.y.astype(np.int32))]

    epochs = len(walks[0].beta)
    rates = [learning_rate(number) for number in range(epochs)]
    walked = [Walked() for _ in walks]
    identity, start = "", 0
    if snapshot:
        settings = (layers.name, tuple(sizes), granularity, tuple(walks), batch, tuple(rates), stop_below)
        identity = fingerprint(settings, [train.x, train.y, val.x, val.y], PACKAGES)
        if saved := snapshot.read(identity):
            leaves = [jnp.asarray(saved[f"state.{i}"]) for i in range(structure.num_leaves)]
            state, walked = jax.tree.unflatten(structure, leaves), _unpacked(saved, len(walks))
            start = max(len(w.history) for w in walked)

    def on() -> list[int]:
        """Walks that have not ended."""
        return [w for w in range(len(walks)) if not walked[w].history or walked[w].history[-1][-1] >= stop_below]

    for number in progress(range(start, epochs)):
        if not (going := on()):
            break
        orders = [np.random.default_rng((walk.seed, number)).permutation(len(train.x)) for walk in walks]
        rows = np.stack(orders)[:, : steps * batch].reshape(len(walks), steps, batch).astype(np.int32)
        beta = np.array([walk.beta[number] for walk in walks], np.float32)
        state, measured, numbers = compiled(state, rows, beta, np.float32(rates[number]), *data)
        measured = np.array(measured, np.float64)
        taken = None
        for w in going:
            train_loss, val_loss, accuracy, ebops = measured[:, w].tolist()
            if not np.isfinite(train_loss):
                if snapshot:
                    snapshot.remove()
                raise NanotriggerError(
                    f"{walks[w].name}: the loss is not a number after epoch {number + 1}. Lower its learning_rate "
                    f"({max(rates):g})."
                )
            walked[w].history.append((number + 1, rates[number], train_loss, val_loss, accuracy, float(beta[w]), ebops))
            if walked[w].improves(accuracy, ebops):
                taken = taken or [np.asarray(v) for v in numbers]
                copies = {name: v[w].copy() for name, v in zip(names, taken, strict=True)}
                walked[w].add(Checkpoint(number + 1, accuracy, ebops, copies))
        if snapshot and snapshot.due:
            leaves = {f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
            snapshot.write(identity, number + 1, leaves | _packed(walked))
    if snapshot:
        snapshot.remove()
    return walked


def _compiled(
    model: keras.Sequential, optimiser: keras.optimizers.Optimizer, numbers: Sequence[keras.Variable]
) -> Callable:
    """An epoch and its validation of every walk: (state, rows, betas, rate, x, y, x_val, y_val) -> (state, measured, numbers).

    state: trainable, other and the optimiser's variables, each with a walk axis; rows (walks, steps, batch): the jets of each
    step. measured: train loss, validation loss, validation accuracy, EBOPs, each (walks,). numbers: those variables.
    """
    paths = [v.path for v in model.non_trainable_variables]
    betas = [i for i, path in enumerate(paths) if path.endswith("/beta")]
    counts = [i for i, path in enumerate(paths) if path.endswith("/ebops")]
    rates = [i for i, v in enumerate(optimiser.variables) if "learning_rate" in v.path]
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    kept = [next(i for i, v in enumerate(variables) if v is wanted) for wanted in numbers]

    def cross_entropy(logits, y):
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def loss(trainable, fixed, x, y):
        logits, fixed, penalties = model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
        fit_loss = cross_entropy(logits, y)
        return fit_loss + sum(penalties), (fixed, fit_loss)

    gradient = jax.grad(loss, has_aux=True)

    def epochs(state, rows, beta, rate, x, y, x_val, y_val):
        def epoch(walk):
            (trainable, fixed, adam), rows, beta = walk
            fixed = [jnp.full_like(v, beta) if i in betas else v for i, v in enumerate(fixed)]
            adam = [jnp.full_like(v, rate) if i in rates else v for i, v in enumerate(adam)]

            def step(state, row):
                trainable, fixed, adam = state
                slope, (fixed, fit_loss) = gradient(trainable, fixed, x[row], y[row])
                trainable, adam = optimiser.stateless_apply(adam, slope, trainable)
                return (trainable, fixed, adam), fit_loss

            state, losses = jax.lax.scan(step, (trainable, fixed, adam), rows)
            # as in training, where ranges follow the data: a finished network has ranges that hold its jets
            logits, seen = model.stateless_call(state[0], state[1], x_val, training=True)
            ebops = sum(seen[i].astype(jnp.float32) for i in counts)
            accuracy = (logits.argmax(1) == y_val).mean()
            everything = [*state[0], *seen]
            return state, (losses.mean(), cross_entropy(logits, y_val), accuracy, ebops), [everything[i] for i in kept]

        return jax.lax.map(epoch, (state, rows, beta))

    return jax.jit(epochs, donate_argnums=0)


def _packed(walked: Sequence[Walked]) -> dict[str, np.ndarray]:
    """Histories and fronts as arrays."""
    arrays = {}
    for w, walk in enumerate(walked):
        arrays[f"walk.{w}.history"] = np.array(walk.history, np.float64).reshape(-1, len(HISTORY))
        arrays[f"walk.{w}.front"] = np.array([(c.epoch, c.accuracy, c.ebops) for c in walk.front], np.float64)
        for name in walk.front[0].numbers:
            arrays[f"walk.{w}.number.{name}"] = np.stack([c.numbers[name] for c in walk.front])
    return arrays


def _unpacked(arrays: dict[str, np.ndarray], walks: int) -> list[Walked]:
    walked = []
    for w in range(walks):
        start = f"walk.{w}.number."
        names = [name.removeprefix(start) for name in arrays if name.startswith(start)]
        front = [
            Checkpoint(int(epoch), accuracy, ebops, {name: arrays[start + name][i] for name in names})
            for i, (epoch, accuracy, ebops) in enumerate(arrays[f"walk.{w}.front"].tolist())
        ]
        history = [(int(row[0]), *row[1:]) for row in arrays[f"walk.{w}.history"].tolist()]
        walked.append(Walked(history, front))
    return walked


def _constant(numbers: dict[str, np.ndarray], name: str, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, grids and widths without sign of a weight or bias, each of its own shape, as HGQ2 quantises it.

    symmetric: saturates at equal magnitudes; else the integer bits follow from the values, which are never out of range.
    """
    value = numbers[name].astype(np.float64)
    bits, integer = (np.rint(np.broadcast_to(numbers[f"{name}_{part}"], value.shape)) for part in ("bits", "integer"))
    return (
        on_grid(value, bits, integer, symmetric),
        np.where(bits > 0, np.exp2(integer - bits), 1.0),
        np.maximum(bits, 0),
    )


def on_grid(value: np.ndarray, bits: np.ndarray, integer: np.ndarray, symmetric: bool) -> np.ndarray:
    """Values with so many bits without sign and integer bits among them, as HGQ2 rounds them (and saturates, if symmetric)."""
    step = np.exp2(integer - bits)
    if symmetric:
        reach = np.exp2(integer) - step
        value = np.clip(value, -reach, reach)
    return np.floor(value / step + 0.5) * step


def fixed_point(numbers: dict[str, np.ndarray], x: np.ndarray, margin: float) -> FixedPointNetwork:
    """The network of a checkpoint in exact numbers, its activation ranges traced on the jets x with a margin.

    x: (jets, features), standardised. margin: factor on the largest value seen behind each inner quantiser, before the
    range grows to the next power of two; the inputs saturate at the range seen.
    """
    layers = []
    count = 1 + max(int(name.split(".")[0]) for name in numbers)
    for number in range(count):
        step = 2.0 ** -np.rint(np.broadcast_to(numbers[f"{number}.fraction"][0].astype(np.float64), x.shape[1:]))
        rounding = "HALF_UP" if number else "ROUND"
        seen = Quantiser(step, -np.inf, np.inf, rounding)(x)
        factor = margin if number else 1.0
        top, bottom = seen.max(0) * factor, -seen.min(0) * factor
        reach = np.maximum(np.maximum(top, 0) + step, np.maximum(bottom, 0))
        alive = (seen != 0).any(0)
        integer = np.exp2(np.ceil(np.log2(reach)))
        quantiser = Quantiser(
            step=np.where(alive, step, 1.0),
            low=np.where(alive & (bottom > 0), -integer, 0.0),
            high=np.where(alive, integer - step, 0.0),
            rounding=rounding,
            traced=number > 0,
        )
        weight, bias = _constant(numbers, f"{number}.weight", True), _constant(numbers, f"{number}.bias", False)
        parts = [f"{kind}{part}" for kind in ("weight", "bias") for part in ("", "_step", "_bits")]
        layers.append(
            Dense(input=quantiser, relu=number < count - 1, **dict(zip(parts, (*weight, *bias), strict=True)))
        )
        x = quantiser(x) @ layers[-1].weight + layers[-1].bias
        x = np.maximum(x, 0) if layers[-1].relu else x
    return FixedPointNetwork(tuple(layers))


def seal(network: FixedPointNetwork) -> keras.Sequential:
    """The Keras network with fixed, saturating ranges that computes what `network` does."""
    sizes = [len(network.layers[0].weight), *(layer.weight.shape[1] for layer in network.layers)]
    model = build(sizes, overflow="SAT")
    for layer, exact in zip(model.layers, network.layers, strict=True):
        q, source = layer.iq.quantizer, exact.input
        alive = source.low != source.high
        integer = np.log2(np.where(alive, source.high + source.step, 1.0))
        fraction = -np.log2(source.step)
        q._k.assign(source.signed[None])
        q._i.assign(np.where(alive, integer, 0)[None])
        q._f.assign(np.where(alive, fraction, 0)[None])
        for variable, p, value, step, bits in (
            (layer._kernel, layer.kq.quantizer, exact.weight, exact.weight_step, exact.weight_bits),
            (layer.bias, layer.bq.quantizer, exact.bias, exact.bias_step, exact.bias_bits),
        ):
            variable.assign(value)
            p._k.assign(np.ones_like(value))
            p._b.assign(bits)
            p._i.assign(bits + np.log2(step))
    return model
