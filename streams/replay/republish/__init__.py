"""Recorded events written to a topic again, for load and staging tests: paced, marked, their times kept or shifted."""
