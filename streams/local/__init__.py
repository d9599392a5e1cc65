"""The real servers, on this machine: Kafka, PostgreSQL and Redis from pip, for development and tests."""
