"""A report of forecasts as one HTML file, for readers who have never seen this project."""

from forecaster.reporting.content import Content, Plan, make_content
from forecaster.reporting.page import Made, render_page

__all__ = ["Content", "Made", "Plan", "make_content", "render_page"]
