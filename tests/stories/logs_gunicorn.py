"""gunicorn's settings in the stories of logs."""

import os

import weft.logs

logconfig_dict = weft.logs.config(os.environ["LOG"], ring=os.environ["RINGS"])
control_socket_disable = True
