"""Apple's push service: HTTP/2, signed tokens, and devices."""
