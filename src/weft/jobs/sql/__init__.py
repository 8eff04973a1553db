"""What a job store is, in SQL that SQLite and PostgreSQL both understand: each of them is a `Database` below it."""
