"""weft's jobs in Django: an application with the outbox's table, and `manage.py weft_worker`.

```python
INSTALLED_APPS = [..., "weft.adapters.django_jobs"]
```
"""
