"""Where alerts go: notifiers and storage, behind one protocol and one runner."""
