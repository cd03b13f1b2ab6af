"""Figures for talks, drawn with matplotlib's objects: no pyplot, no global settings."""

from rdexplain.render.boxes import boxes_panel
from rdexplain.render.comparison import Cell, Compared, cell_of, comparison
from rdexplain.render.files import save_figure, save_panel, save_picture
from rdexplain.render.heat import heat_panel
from rdexplain.render.panel import panel
from rdexplain.render.repeats import repeats_panel
from rdexplain.render.samples import samples_panel
from rdexplain.render.scales import Scale, scales

__all__ = [
    "Cell",
    "Compared",
    "Scale",
    "boxes_panel",
    "cell_of",
    "comparison",
    "heat_panel",
    "panel",
    "repeats_panel",
    "samples_panel",
    "save_figure",
    "save_panel",
    "save_picture",
    "scales",
]
