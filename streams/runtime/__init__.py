"""The shell around the pure core: Faust supervises, confluent-kafka moves the records, transactions keep it exact."""
