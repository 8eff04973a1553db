"""The portal's addresses."""

from django.urls import path

from with_django import views

urlpatterns = [
    path("check-sites", views.check_sites),
    path("profile/<user>", views.show_profile),
    path("report", views.show_report),
    path("health", views.health),
]
