"""Charts of the information lab: one module a panel. P is drawn in model A's colour, Q in model B's."""
