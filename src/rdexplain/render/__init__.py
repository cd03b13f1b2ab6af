"""The picture for a talk, drawn with matplotlib's objects: no pyplot, no global settings."""

from rdexplain.render.boxes import boxes_panel
from rdexplain.render.files import save_figure, save_panel, save_picture
from rdexplain.render.panel import panel
from rdexplain.render.samples import samples_panel
from rdexplain.render.scales import Scale, scales

__all__ = ["Scale", "boxes_panel", "panel", "samples_panel", "save_figure", "save_panel", "save_picture", "scales"]
