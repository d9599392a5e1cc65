"""How well the shipped rules do: precision, recall, time to detect, on labelled and on real traffic."""
