"""The interfaces between services: queue messages, look-ups, the status machine. There is no behaviour here."""
