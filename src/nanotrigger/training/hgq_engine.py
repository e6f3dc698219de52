"""HGQ2 networks trained as compiled epochs: walks of beta from many seeds in one vectorised jax program.

HGQ2's own `fit` returns to Python after every batch and for every callback; here an epoch with its validation is one
call, and several walks share it along a leading axis.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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

AXIS = {"parameter": (0,), "layer": (0, 1)}
"""Axes that share a width: of activations, the jets alone, or jets and units."""


def build(sizes: Sequence[int], granularity: str = "parameter", overflow: str = "WRAP") -> keras.Sequential:
    """An HGQ2 perceptron with trainable widths.

    granularity: "parameter" gives every weight and activation its own width, "layer" one to each tensor.
    overflow: "WRAP" while training, where the range follows the data; "SAT" once it is fixed.
    """
    homogeneous = AXIS[granularity]
    per_weight = () if granularity == "parameter" else (0, 1)
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
                    "kif", "datalane", round_mode=rounding, overflow_mode=overflow, homogeneous_axis=homogeneous
                ),
                kq_conf=QuantizerConfig("kbi", "weight", homogeneous_axis=per_weight),
            )
        )
    return keras.Sequential(layers)


@dataclass(frozen=True)
class Walk:
    """One training: a seed, and beta per epoch."""

    seed: int
    beta: tuple[float, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A point of a walk: epoch, validation accuracy, EBOPs while training, and the values of all variables."""

    epoch: int
    accuracy: float
    ebops: float
    variables: tuple[np.ndarray, ...]


def _improves(front: list[Checkpoint], accuracy: float, ebops: float) -> bool:
    return not any(c.accuracy >= accuracy and c.ebops <= ebops for c in front)


def train_walks(
    sizes: Sequence[int],
    granularity: str,
    walks: Sequence[Walk],
    train: Split,
    val: Split,
    batch_size: int,
    learning_rate: Callable[[int], float],
    stop_below: float,
    name: str,
    progress: Callable[[range], Sequence[int]],
) -> tuple[list[list[Checkpoint]], list[list[dict[str, float]]]]:
    """Train all walks together and keep, per walk, the checkpoints that no other beats in both accuracy and EBOPs.

    train, val: standardised jets. learning_rate: rate of an epoch, counted from 0. Training ends after the last beta,
    or once every walk has fewer EBOPs than `stop_below`. Returns fronts and histories, one per walk.
    Raises NanotriggerError naming the model whose loss is not a number.
    """
    states = []
    for walk in walks:
        keras.utils.set_random_seed(walk.seed)
        model = build(sizes, granularity)
        optimiser = keras.optimizers.Adam()
        optimiser.build(model.trainable_variables)
        groups = (model.trainable_variables, model.non_trainable_variables, optimiser.variables)
        states.append(tuple([v.value for v in group] for group in groups))
    state = jax.tree.map(lambda *a: jnp.stack(a), *states)
    paths = [v.path for v in model.non_trainable_variables]
    betas = [i for i, path in enumerate(paths) if path.endswith("/beta")]
    counts = [i for i, path in enumerate(paths) if path.endswith("/ebops")]
    rates = [i for i, v in enumerate(optimiser.variables) if "learning_rate" in v.path]

    def cross_entropy(logits, y):
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def loss(trainable, fixed, x, y):
        logits, fixed, penalties = model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
        fit_loss = cross_entropy(logits, y)
        return fit_loss + sum(penalties), (fixed, fit_loss)

    gradient = jax.grad(loss, has_aux=True)
    batch = min(batch_size, len(train.x))

    def epoch(state, key, beta, rate, x, y, x_val, y_val):
        trainable, fixed, adam = state
        fixed = [jnp.full_like(v, beta) if i in betas else v for i, v in enumerate(fixed)]
        adam = [jnp.full_like(v, rate) if i in rates else v for i, v in enumerate(adam)]
        rows = jax.random.permutation(key, len(x))[: len(x) // batch * batch].reshape(-1, batch)

        def step(state, row):
            trainable, fixed, adam = state
            slope, (fixed, fit_loss) = gradient(trainable, fixed, x[row], y[row])
            trainable, adam = optimiser.stateless_apply(adam, slope, trainable)
            return (trainable, fixed, adam), fit_loss

        state, losses = jax.lax.scan(step, (trainable, fixed, adam), rows)
        logits, _ = model.stateless_call(state[0], state[1], x_val, training=False)
        ebops = sum(state[1][i].astype(jnp.float32) for i in counts)
        accuracy = (logits.argmax(1) == y_val).mean()
        return state, (losses.mean(), cross_entropy(logits, y_val), accuracy, ebops)

    # the shuffle is shared, the rest has a walk axis
    compiled = jax.jit(jax.vmap(epoch, in_axes=(0, None, 0, None, *(None,) * 4)), donate_argnums=0)
    data = [jnp.asarray(a) for a in (train.x, train.y.astype(np.int32), val.x, val.y.astype(np.int32))]
    fronts: list[list[Checkpoint]] = [[] for _ in walks]
    histories: list[list[dict[str, float]]] = [[] for _ in walks]
    key = jax.random.key(walks[0].seed)
    for number in progress(range(len(walks[0].beta))):
        beta = np.array([walk.beta[number] for walk in walks], np.float32)
        rate = learning_rate(number)
        state, measured = compiled(state, jax.random.fold_in(key, number), beta, rate, *data)
        measured = np.array(measured, np.float64)
        for w in range(len(walks)):
            train_loss, val_loss, accuracy, ebops = measured[:, w].tolist()
            if not np.isfinite(train_loss):
                raise NanotriggerError(
                    f"{name}: the loss is not a number after epoch {number + 1}. Lower its learning_rate ({rate:g})."
                )
            histories[w].append(
                {
                    "epoch": number + 1,
                    "learning_rate": rate,
                    "train_loss": train_loss,
                    "val_loss": val_loss,
                    "val_accuracy": accuracy,
                    "beta": float(beta[w]),
                    "ebops": ebops,
                }
            )
            if _improves(fronts[w], accuracy, ebops):
                values = tuple(np.asarray(v[w]) for v in (*state[0], *state[1]))
                new = Checkpoint(number + 1, accuracy, ebops, values)
                fronts[w] = [c for c in fronts[w] if c.accuracy > accuracy or c.ebops < ebops] + [new]
        if (measured[3] < stop_below).all():
            break
    return fronts, histories


def restore(sizes: Sequence[int], granularity: str, checkpoint: Checkpoint) -> keras.Sequential:
    """The network of a checkpoint, as it was while training."""
    model = build(sizes, granularity)
    variables = (*model.trainable_variables, *model.non_trainable_variables)
    for variable, value in zip(variables, checkpoint.variables, strict=True):
        variable.assign(value)
    return model


def fixed_point(model: keras.Sequential, x: np.ndarray, margin: float) -> FixedPointNetwork:
    """A trained network in exact numbers, its activation ranges traced on the jets x with a margin.

    x: (jets, features), standardised. margin: factor on the largest value seen behind each inner quantiser, before the
    range grows to the next power of two; the inputs saturate at the range seen.
    """
    layers = []
    for number, layer in enumerate(model.layers):
        q = layer.iq.quantizer
        f = np.broadcast_to(np.array(q.f, np.float64)[0] if q.f.ndim > 1 else np.array(q.f), x.shape[1:])
        step = 2.0**-f
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
        kernel, bias = (np.array(v, np.float64) for v in (layer.qkernel, layer.qbias))
        widths = []
        for p, value in ((layer.kq.quantizer, kernel), (layer.bq.quantizer, bias)):
            b = np.broadcast_to(np.array(p.b, np.float64), value.shape)
            grid = np.exp2(-np.broadcast_to(np.array(p.f, np.float64), value.shape))
            widths.append((np.where(b > 0, grid, 1.0), np.maximum(b, 0)))
        layers.append(
            Dense(
                input=quantiser,
                weight=kernel,
                weight_step=widths[0][0],
                weight_bits=widths[0][1],
                bias=bias,
                bias_step=widths[1][0],
                bias_bits=widths[1][1],
                relu=number < len(model.layers) - 1,
            )
        )
        x = quantiser(x) @ kernel + bias
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
