"""Tocsin from Python: ``tocsin.replay`` runs rules over recorded events. Everything else is the command's own."""
