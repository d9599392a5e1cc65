"""What one partition of DETECT remembers: rules, their keys, and the copies that wait."""
