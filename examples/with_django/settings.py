"""The portal's settings: weft's middleware is the first, so that all others run within its deadline."""

import os

ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
MIDDLEWARE = ["weft.adapters.django.Weft", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "with_django.urls"
SECRET_KEY = os.environ.get("SECRET_KEY", "only for trying this out")
WEFT_DEADLINE = 5.0
