"""READ FIRST. The flow of Tocsin, as functions over the state of one partition.

Every function takes ``(state, batch, now, control)`` and returns the records to write; the runtime puts them,
the state's changes and the position into one transaction. Live workers, replays and rule tests call the same ones.
"""
