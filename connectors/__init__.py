"""Where alerts go: notifiers and storage behind one contract (``base``), driven by one runner (``runner``)."""
