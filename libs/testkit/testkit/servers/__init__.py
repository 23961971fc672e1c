"""Real PostgreSQL, Redis and RabbitMQ for tests: installed, started and stopped here."""
