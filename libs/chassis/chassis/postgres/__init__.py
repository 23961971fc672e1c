"""PostgreSQL: connections, transactions, statements that commit by themselves, migrations."""
