"""The rule language described by its own code: the reference page and the JSON Schema for editors."""
