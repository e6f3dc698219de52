"""Magnitude pruning while training: how sparse a network is at an epoch, and which weights it loses."""

import torch

from nanotrigger.training.network import BatchedMLP


def polynomial_sparsity(epoch: int, final: float, begin: int, end: int) -> float:
    """Share of the weights that is pruned at an epoch: zero before `begin`, `final` from `end` on.

    final (1 - (1 - (epoch - begin) / (end - begin))^3) between them: fast while many weights do little, slow when few
    are left. Source: 1710.01878 (Zhu & Gupta), eq. 1, from nothing pruned.
    """
    if epoch >= end:
        return final
    progress = max((epoch - begin) / (end - begin), 0.0)
    return final * (1 - (1 - progress) ** 3)


@torch.no_grad()
def prune(network: BatchedMLP, sparsity: torch.Tensor) -> None:
    """Mask the smallest weights of every layer, a share of its own for each model.

    sparsity: (models,). Weights are compared as they act, batch normalisation folded in. What is pruned stays so: it is
    the smallest of all from then on.
    """
    before, network.training = network.training, False
    for layer in range(network.layers):
        w, _ = network._folded(layer, torch.empty(0), 1.0)
        order = w.abs().flatten(1).argsort(dim=1, stable=True)
        rank = torch.empty_like(order).scatter_(
            1, order, torch.arange(order.shape[1], device=w.device).expand_as(order)
        )
        dead = torch.round(sparsity.to(w.device) * order.shape[1]).long().unsqueeze(1)
        getattr(network, f"mask{layer}").mul_((rank >= dead).float().view_as(w))
    network.training = before
