"""The panel of each evaluation, in the order in which they stand on the page. A new one is a line here."""

from ui.evaluation import divergence_panel, hellaswag_panel, mauve_panel

PANELS = {panel.kind: panel for panel in (divergence_panel.PANEL, hellaswag_panel.PANEL, mauve_panel.PANEL)}
