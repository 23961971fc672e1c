"""A page that subscribes the reader's own browser to Web Push and shows what arrives. It is a client of the gateway."""
