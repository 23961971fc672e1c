"""What e-mail providers report by webhooks: each provider's signature, its events, and what follows from them."""
