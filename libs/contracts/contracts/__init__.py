"""What the services say to each other: queue messages, look-ups, the status machine. No behaviour lives here."""
