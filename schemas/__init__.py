"""The record contracts: Avro schemas, examples and topics as data."""
