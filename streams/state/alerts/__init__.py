"""What one partition of alerts remembers, and how it is told."""
