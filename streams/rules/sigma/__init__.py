"""Sigma rules and correlations in our language; needs the extra ``sigma``. What has no equal here is refused."""
