"""The engine for those who have Celery: that carries the jobs, and what is known of them is in Redis."""
