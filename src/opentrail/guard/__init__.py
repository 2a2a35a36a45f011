"""Packs of the guard: what to watch in a trail's events, as metric filters and the alarms on them."""
