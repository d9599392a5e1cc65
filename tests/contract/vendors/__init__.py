"""Local servers that hold to what each vendor documents, and misbehave on demand."""
