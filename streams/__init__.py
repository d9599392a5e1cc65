"""Tocsin: exact, replayable alerting on Kafka. Start reading at ``streams/pipeline.py``."""
