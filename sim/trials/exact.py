"""The linear programme behind ``policies.bound``, solved by HiGHS: what the Lagrangian relaxation is checked against.

Seconds for 60 s of trace at grid 0.01 s.
"""

from __future__ import annotations

import numpy as np

from policies.bound import PickGrid


def linear_bound(grid: PickGrid) -> float:
    """The optimum of the time-indexed LP: each part at most once, each cell busy with at most one pick.

    As a flow over the cells: one unit enters at cell 0 and leaves after the last; a pick carries it from its first to
    its last cell, waiting from a cell to the next.

    Raises:
        RuntimeError: HiGHS did not close it.
    """
    import highspy  # noqa: PLC0415  # the extra ``sim``

    picks, cells = len(grid.part), grid.cells
    start = np.repeat(np.arange(cells), np.diff(grid.offsets))
    columns = picks + cells
    # Rows: balance of cells 0..cells-1 (out - in = 1 at the first, else 0), then the parts.
    rows = np.concatenate(
        [
            np.column_stack([start, np.minimum(grid.end, cells), cells + 1 + grid.part]),
            np.column_stack([np.arange(cells), np.arange(1, cells + 1), np.full(cells, -1)]),
        ]
    )
    values = np.tile(np.array([1.0, -1.0, 1.0]), (columns, 1))
    keep = rows >= 0
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns, cells + 1 + grid.parts
    lp.col_cost_ = np.concatenate([np.ones(picks), np.zeros(cells)])
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_lower_, lp.col_upper_ = np.zeros(columns), np.ones(columns)
    supply = np.zeros(cells + 1)
    supply[0], supply[-1] = 1.0, -1.0
    lp.row_lower_ = np.concatenate([supply, np.zeros(grid.parts)])
    lp.row_upper_ = np.concatenate([supply, np.ones(grid.parts)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    lp.a_matrix_.index_, lp.a_matrix_.value_ = rows[keep], values[keep]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    # Interior point, then its crossover to a vertex: the simplex takes a hundred times as long on this programme.
    solver.setOptionValue("solver", "ipm")
    solver.passModel(lp)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS ended with {solver.modelStatusToString(solver.getModelStatus())}")
    return float(solver.getInfo().objective_function_value)
