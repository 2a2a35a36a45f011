"""The guard's packs switched on and off through the API, in the caller's name, so that every step is on record."""
