"""Routing tried in the small: rehearsals of one alert, and tests of routing as data."""
