"""One file per kind. ``streams.detect.registry`` lists them."""
