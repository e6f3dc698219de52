"""Adam with a learning rate for every model of a stack."""

from collections.abc import Iterable

import torch


class Adam:
    """Adam (1412.6980) on parameters with a leading model axis; the models share nothing but the count of steps.

    torch's own takes one learning rate for a whole tensor.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ):
        self.parameters = list(parameters)
        self.betas, self.eps = betas, eps
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, number: int, rates: torch.Tensor) -> None:
        """Step `number`, counted from 1. rates: (models,)."""
        b1, b2 = self.betas
        gradients = [p.grad for p in self.parameters]
        torch._foreach_lerp_(self.first, gradients, 1 - b1)
        torch._foreach_mul_(self.second, b2)
        torch._foreach_addcmul_(self.second, gradients, gradients, 1 - b2)
        scale = torch._foreach_sqrt(self.second)
        torch._foreach_div_(scale, (1 - b2**number) ** 0.5)
        torch._foreach_add_(scale, self.eps)
        updates = torch._foreach_div(self.first, scale)
        rate = (-rates / (1 - b1**number)).reshape(-1, 1, 1)
        torch._foreach_mul_(updates, [rate] * len(updates))
        torch._foreach_add_(self.parameters, updates)

    def part(self, models: slice, parameters: Iterable[torch.Tensor]) -> "Adam":
        """The optimiser of some models, with their parameters; it shares its moments with this one."""
        part = Adam([], self.betas, self.eps)
        part.parameters = list(parameters)
        part.first, part.second = ([t[models] for t in moments] for moments in (self.first, self.second))
        return part

    def state(self) -> dict[str, torch.Tensor]:
        """Its live tensors by name, for a checkpoint."""
        pairs = (("first", self.first), ("second", self.second))
        return {f"adam.{name}.{i}": tensor for name, tensors in pairs for i, tensor in enumerate(tensors)}
