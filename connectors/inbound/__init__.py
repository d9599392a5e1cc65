"""What vendors tell us: checked by their signature, turned into commands. No web server is here, and no Kafka."""
