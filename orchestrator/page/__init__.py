"""The page of a run: its report as one HTML file, with the stack as a picture and curves over time.

Gets a `Report` and knows nothing of runs. The picture and the spectrum are SVG, placed here; the curves over time are
drawn in the page by uPlot (MIT, `uplot-licence.txt`).
"""

from __future__ import annotations

from orchestrator.page.page import to_html

__all__ = ["to_html"]
