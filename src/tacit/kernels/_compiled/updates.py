"""Compiled bodies of what is done with row-wise gradients: one pass over the rows that have one."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange, prefetch_row

AHEAD = 8


@jit(parallel=True, fastmath=True)
def row_adagrad(table: Any, squares: Any, rows: Any, values: Any, rate: float, epsilon: float) -> None:
    """squares[r] += mean(g^2); table[r] -= rate * g / (sqrt(squares[r]) + epsilon)."""
    width = table.shape[1]
    size = width * table.itemsize
    base = table.ctypes.data
    for entry in prange(rows.size):
        if entry + AHEAD < rows.size:
            prefetch_row(base, rows[entry + AHEAD], size)
        row = rows[entry]
        square = table[row, 0] * 0
        for column in range(width):
            square += values[entry, column] * values[entry, column]
        squares[row] += square / width
        step = rate / (np.sqrt(squares[row]) + epsilon)
        for column in range(width):
            table[row, column] -= step * values[entry, column]


@jit(parallel=True, fastmath=True)
def row_adam(
    table: Any,
    means: Any,
    squares: Any,
    rows: Any,
    values: Any,
    rate: float,
    beta1: float,
    beta2: float,
    correction1: float,
    correction2: float,
    epsilon: float,
) -> None:
    """Adam on touched rows with one second moment per row: the mean of g^2 over the row."""
    width = table.shape[1]
    size = width * table.itemsize
    base = table.ctypes.data
    for entry in prange(rows.size):
        if entry + AHEAD < rows.size:
            prefetch_row(base, rows[entry + AHEAD], size)
        row = rows[entry]
        square = table[row, 0] * 0
        for column in range(width):
            square += values[entry, column] * values[entry, column]
        squares[row] = beta2 * squares[row] + (1 - beta2) * square / width
        step = rate / correction1 / (np.sqrt(squares[row] / correction2) + epsilon)
        for column in range(width):
            means[row, column] = beta1 * means[row, column] + (1 - beta1) * values[entry, column]
            table[row, column] -= step * means[row, column]


@jit(parallel=True, fastmath=True)
def lazy_adam(
    table: Any,
    means: Any,
    squares: Any,
    rows: Any,
    values: Any,
    rate: float,
    beta1: float,
    beta2: float,
    correction1: float,
    correction2: float,
    epsilon: float,
) -> None:
    """Adam on touched rows; moments of the others stay as they are."""
    width = table.shape[1]
    for entry in prange(rows.size):
        row = rows[entry]
        for column in range(width):
            gradient = values[entry, column]
            means[row, column] = beta1 * means[row, column] + (1 - beta1) * gradient
            squares[row, column] = beta2 * squares[row, column] + (1 - beta2) * gradient * gradient
            table[row, column] -= (
                rate
                / correction1
                * means[row, column]
                / (np.sqrt(squares[row, column] / correction2) + epsilon)
            )


@jit(parallel=True, fastmath=True)
def row_products(rows: Any, values: Any, place: Any, others: Any, other_values: Any, products: Any) -> None:
    """products[e] = <values[e], other_values[place[e]]> in float64 where both are of one row, else 0."""
    width = values.shape[1]
    for entry in prange(rows.size):
        total = 0.0
        other = place[entry]
        if others[other] == rows[entry]:
            for column in range(width):
                total += np.float64(values[entry, column]) * np.float64(other_values[other, column])
        products[entry] = total
