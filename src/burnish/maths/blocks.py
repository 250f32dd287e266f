"""Normal equations of many small groups of unknowns that no equation links: stacks of small dense matrices.

Items of one prompt are compared with each other and never with those of another prompt, so a precision matrix over
all items is block diagonal, one block an island. Blocks of one size are inverted as one stack; entries lie in one flat
array ("cells"), so that what concerns an item or a pair is found by its number. Numpy and scipy only.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Blocks:
    """Where the cells of every island's matrix lie; islands are numbered 0.. without gaps."""

    def __init__(self, island_I: Ints) -> None:
        size_J = np.bincount(island_I)
        rank_J = np.argsort(np.argsort(size_J, kind="stable"), kind="stable")  # islands of one size side by side
        order_I = np.argsort(rank_J[island_I], kind="stable")
        start_J = np.cumsum(np.sort(size_J)) - np.sort(size_J)
        self.order_I = order_I
        self.place_I = np.empty(len(island_I), dtype=np.int64)
        self.place_I[order_I] = np.arange(len(island_I)) - start_J[rank_J[island_I[order_I]]]
        cell_J = np.cumsum(np.square(np.sort(size_J))) - np.square(np.sort(size_J))
        self.base_I = cell_J[rank_J[island_I]]
        self.size_I = size_J[island_I]
        self.cells = int(np.square(size_J).sum())
        self.sizes = [(int(size), int(n)) for size, n in zip(*np.unique(size_J, return_counts=True), strict=True)]

    def cell(self, one: Ints, two: Ints) -> Ints:
        """Numbers of the cells of pairs of items; both of a pair must be on one island."""
        return np.asarray(self.base_I[one] + self.place_I[one] * self.size_I[one] + self.place_I[two])

    def laplacian(self, one: Ints, two: Ints, weight: Floats, ridge: float) -> Floats:
        """Cells of sum over rows of weight x x', x = e_one - e_two, plus the ridge on the diagonal."""
        every = np.arange(len(self.base_I))
        cells = np.zeros(self.cells)
        for row, column, sign in ((one, one, 1), (two, two, 1), (one, two, -1), (two, one, -1)):
            cells += sign * np.bincount(self.cell(row, column), weight, self.cells)
        cells[self.cell(every, every)] += ridge
        return cells

    def inverse(self, cells: Floats) -> Floats:
        """Cells of the inverse."""
        found = np.empty_like(cells)
        for size, n, part, _ in self._stacks():
            found[part] = np.linalg.inv(cells[part].reshape(n, size, size)).ravel()
        return found

    def log_determinant(self, cells: Floats) -> float:
        """Logarithm of the determinant of a positive definite matrix."""
        stacks = (cells[part].reshape(n, size, size) for size, n, part, _ in self._stacks())
        return float(sum(np.linalg.slogdet(stack)[1].sum() for stack in stacks))

    def times(self, cells: Floats, vector_I: Floats) -> Floats:
        """Matrix times vector."""
        found = np.empty_like(vector_I)
        for size, n, part, rows in self._stacks():
            stack, right = cells[part].reshape(n, size, size), vector_I[rows].reshape(n, size)
            found[rows] = np.einsum("nij,nj->ni", stack, right).ravel()
        return found

    def centred(self, cells: Floats) -> Floats:
        """Covariances of each island's values less their mean: rows and columns of every block sum to 0."""
        found = np.empty_like(cells)
        for size, n, part, _ in self._stacks():
            stack = cells[part].reshape(n, size, size)
            stack = stack - stack.mean(axis=1, keepdims=True)
            found[part] = (stack - stack.mean(axis=2, keepdims=True)).ravel()
        return found

    def matrix(self, cells: Floats) -> csr_array:
        """The matrix in sparse form."""
        row, column = self.ends()
        return csr_array((cells, (row, column)), shape=(len(self.base_I), len(self.base_I)))

    def ends(self) -> tuple[Ints, Ints]:
        """Items of the row and of the column of every cell."""
        row, column = np.empty(self.cells, dtype=np.int64), np.empty(self.cells, dtype=np.int64)
        for size, n, part, rows in self._stacks():
            items = rows.reshape(n, size)
            row[part] = np.repeat(items, size, axis=1).ravel()
            column[part] = np.tile(items, (1, size)).ravel()
        return row, column

    def _stacks(self) -> list[tuple[int, int, slice, Ints]]:
        """(size, how many islands, their cells, their items in order) for each size of island."""
        stacks, cell, item = [], 0, 0
        for size, n in self.sizes:
            rows = self.order_I[item : item + n * size]
            stacks.append((size, n, slice(cell, cell + n * size * size), rows))
            cell, item = cell + n * size * size, item + n * size
        return stacks
