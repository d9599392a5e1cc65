"""What the sinks take: rows into the storages, notifications through the webhook, nine sinks beside a dead one."""
