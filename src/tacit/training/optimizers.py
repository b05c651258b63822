"""Optimisers of embedding tables: one compiled pass over the rows that have a gradient.

All consume coalesced sparse gradients (`tacit.kernels.rows`) and dense ones alike. `RowAdam` and `LazyAdam`
touch only rows with a gradient, so their trajectory differs from Adam's, which moves every row by momentum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import unwrap
from typing import Any, Literal

import torch
from torch import Tensor

from tacit.errors import OptionError
from tacit.kernels._compiled import updates as compiled
from tacit.kernels.gradients import distinct, sign

Name = Literal["auto", "row-adagrad", "row-adam", "lazy-adam", "adam", "sgd", "sign"]
DENSE_ROWS = 200_000


class _Optimizer(torch.optim.Optimizer, ABC):
    """Torch's base, less its guards against `torch.compile`, which import a compiler: seconds and 70 MiB."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Raises `OptionError` for a closure."""
        if closure is not None:
            raise OptionError("optimisers take no closure")
        for group in self.param_groups:
            self._move([each for each in group["params"] if each.grad is not None], group)

    @abstractmethod
    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Update the parameters of one group, all of which have a gradient."""


class _RowWise(_Optimizer):
    """Loop over rows and values of the gradients; the update itself is a compiled pass."""

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            assert parameter.grad is not None
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


class _Adam(_Optimizer):
    """What Adam and its kin are told: rate, decay of both moments, and what keeps the divisor off zero."""

    def __init__(
        self,
        parameters: Iterable[Any],
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"rate": rate, "betas": betas, "epsilon": epsilon})


class RowAdam(_Adam, _RowWise):
    """Adam on touched rows with one second moment per row."""

    def _initial(self, table: Tensor) -> dict[str, Tensor]:
        return {"means": torch.zeros_like(table), "squares": torch.zeros(len(table), dtype=table.dtype)}

    def _update(
        self, table: Tensor, rows: Tensor, values: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        _adam_pass(compiled.row_adam, table, rows, values, state, group)


class LazyAdam(_Adam, _RowWise):
    """Adam on touched rows: moments of rows without a gradient neither decay nor move them."""

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


class DenseAdam(_Adam):
    """Torch's fused Adam over every row; sparse gradients are made dense."""

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [_dense(parameter) for parameter in parameters]
        states = [self._state(parameter) for parameter in parameters]
        steps = [state["step"] for state in states]
        if not steps:
            return
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=group["rate"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=0.0,
            eps=group["epsilon"],
            amsgrad=False,
            maximize=False,
        )

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state


def _dense(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


class SGD(_Optimizer):
    """Plain stochastic gradient descent: no momentum, no decay."""

    def __init__(self, parameters: Iterable[Any], rate: float) -> None:
        super().__init__(parameters, {"rate": rate})

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.add_(self._direction(parameter.grad), alpha=-group["rate"])

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient


class SignDescent(SGD):
    """Every entry moves by the rate against the sign of its gradient: the first step of a fresh Adam."""

    def _direction(self, gradient: Tensor) -> Tensor:
        return sign(gradient)


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
        group["rate"] = rate * group.get("factor", 1.0)


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
    "sgd": SGD,
    "sign": SignDescent,
}
