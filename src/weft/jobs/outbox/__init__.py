"""The outbox: jobs that are enqueued inside the application's own transaction, in its own database.

A row of `weft_outbox` is written with the application's data, and committed or rolled back with it. A relay then moves
it to the job store (the transactional outbox of C. Richardson, "Microservices Patterns", 3.3).
"""
