"""How gunicorn serves the demo. It reads each name here as a setting, and passes over those that it does not know."""

worker_class = "gthread"
threads = 32
loglevel = "warning"
graceful_timeout = 2
control_socket_disable = True  # from gunicorn 25 on; a demo leaves no sockets behind
