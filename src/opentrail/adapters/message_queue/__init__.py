"""Message queues (port: message_queue)."""
