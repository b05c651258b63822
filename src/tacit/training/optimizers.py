"""Optimisers of embedding tables: one compiled pass over the rows that have a gradient.

All consume coalesced sparse gradients (`tacit.kernels.rows`) and dense ones alike. `RowAdam` and `LazyAdam`
touch only rows with a gradient, so their trajectory differs from Adam's, which moves every row by momentum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from tacit.errors import OptionError
from tacit.kernels._compiled import updates as compiled
from tacit.kernels.gradients import distinct, sign

Name = Literal["auto", "row-adagrad", "row-adam", "lazy-adam", "adam", "sgd", "sign"]
DENSE_ROWS = 200_000


class _RowWise(torch.optim.Optimizer, ABC):
    """Loop over parameters, rows and values of their gradients; the update itself is a compiled pass."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Raises `OptionError` for a closure."""
        if closure is not None:
            raise OptionError("row-wise optimisers take no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                rows, values = _rows(parameter.grad, parameter)
                table = parameter.detach()
                self._update(_two(table), rows, _two(values), self._state(parameter), group)
                torch.autograd.graph.increment_version(parameter)

    def _state(self, parameter: Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state.update(self._initial(_two(parameter.detach())))
        state["step"] += 1
        return state

    @abstractmethod
    def _initial(self, table: Tensor) -> dict[str, Tensor]:
        """State of a (rows, d) table before its first step."""

    @abstractmethod
    def _update(
        self, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move the given rows in place by their gradients (len(rows), d)."""


def _two(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 2 else tensor.view(1, -1)


def _rows(gradient: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
    if gradient.is_sparse:
        gradient = distinct(gradient)
        return gradient._indices()[0], gradient._values()
    return torch.arange(len(_two(parameter))), gradient


class RowAdagrad(_RowWise):
    """Adagrad with one accumulator per row: G_r += mean(g^2), row -= rate * g / (sqrt(G_r) + epsilon)."""

    def __init__(self, parameters: Iterable[Any], rate: float, epsilon: float = 1e-10) -> None:
        super().__init__(parameters, {"rate": rate, "epsilon": epsilon})

    def _initial(self, table: Tensor) -> dict[str, Tensor]:
        return {"squares": torch.zeros(len(table), dtype=table.dtype)}

    def _update(
        self, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        compiled.row_adagrad(
            table.numpy(),
            state["squares"].numpy(),
            rows.numpy(),
            values.contiguous().numpy(),
            group["rate"],
            group["epsilon"],
        )


class RowAdam(_RowWise):
    """Adam on touched rows with one second moment per row."""

    def __init__(
        self,
        parameters: Iterable[Any],
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"rate": rate, "betas": betas, "epsilon": epsilon})

    def _initial(self, table: Tensor) -> dict[str, Tensor]:
        return {"means": torch.zeros_like(table), "squares": torch.zeros(len(table), dtype=table.dtype)}

    def _update(
        self, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        _adam_pass(compiled.row_adam, table, rows, values, state, group)


class LazyAdam(_RowWise):
    """Adam on touched rows: moments of rows without a gradient neither decay nor move them."""

    def __init__(
        self,
        parameters: Iterable[Any],
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"rate": rate, "betas": betas, "epsilon": epsilon})

    def _initial(self, table: Tensor) -> dict[str, Tensor]:
        return {"means": torch.zeros_like(table), "squares": torch.zeros_like(table)}

    def _update(
        self, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        _adam_pass(compiled.lazy_adam, table, rows, values, state, group)


def _adam_pass(
    kernel: Any, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
) -> None:
    step, (beta1, beta2) = float(state["step"]), group["betas"]
    kernel(
        table.numpy(),
        state["means"].numpy(),
        state["squares"].numpy(),
        rows.numpy(),
        values.contiguous().numpy(),
        group["rate"],
        beta1,
        beta2,
        1 - beta1**step,
        1 - beta2**step,
        group["epsilon"],
    )


class DenseAdam(torch.optim.Adam):
    """Fused dense Adam that also takes sparse gradients, by making them dense."""

    def __init__(self, parameters: Iterable[Any], rate: float) -> None:
        super().__init__(parameters, lr=rate, fused=True)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One Adam step over every row."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    parameter.grad = parameter.grad.to_dense()
        return super().step(closure)


class SignDescent(torch.optim.Optimizer):
    """Every entry moves by the rate against the sign of its gradient: the first step of a fresh Adam."""

    def __init__(self, parameters: Iterable[Any], rate: float) -> None:
        super().__init__(parameters, {"rate": rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Raises `OptionError` for a closure."""
        if closure is not None:
            raise OptionError("sign descent takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(sign(parameter.grad), alpha=-group["rate"])


@dataclass(frozen=True)
class OptimizerOptions:
    """Which optimiser, and its rate; "auto" and None: by backbone, scheme and size (docs/defaults.md)."""

    use: Name = "auto"  # auto: as the table of defaults says
    rate: float | None = None  # learning rate; nothing: from the table of defaults
    decay: float | None = None  # factor on the rate after each epoch; nothing: from the table of defaults

    def __post_init__(self) -> None:
        if self.rate is not None and not self.rate > 0:
            raise OptionError(f"optimizer.rate must be positive, not {self.rate}")
        if self.decay is not None and not 0 < self.decay <= 1:
            raise OptionError(f"optimizer.decay must be above 0 and at most 1, not {self.decay}")


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of an optimiser this rate, times the group's `factor` where it has one."""
    for group in optimizer.param_groups:
        group["rate" if "rate" in group else "lr"] = rate * group.get("factor", 1.0)


def build(
    name: str, rate: float, parameters: Iterable[torch.nn.Parameter] | list[dict[str, Any]]
) -> torch.optim.Optimizer:
    """The optimiser of this name, over parameters or groups; a group's `factor` multiplies the rate."""
    if name not in OPTIMIZERS:
        *most, last = OPTIMIZERS
        raise OptionError(f'unknown optimiser "{name}"; expected {", ".join(most)} or {last}')
    optimizer = OPTIMIZERS[name](parameters, rate)
    set_rate(optimizer, rate)
    return optimizer


OPTIMIZERS: dict[str, Callable[[Any, float], torch.optim.Optimizer]] = {
    "row-adagrad": RowAdagrad,
    "row-adam": RowAdam,
    "lazy-adam": LazyAdam,
    "adam": DenseAdam,
    "sgd": torch.optim.SGD,
    "sign": SignDescent,
}
