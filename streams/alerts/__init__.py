"""ALERT, the domain: findings fold into alerts, people work with them, and what is left alone is said again.

Nothing here knows Kafka, stores anything or reads a clock: ``now`` (ms) is an argument of every step.
"""
