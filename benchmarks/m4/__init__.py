"""The M4 competition: trained within a budget of seconds, forecast, and scored as the competition did."""
