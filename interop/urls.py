"""Addresses that other testbeds' tools ask, below /sup4rnet/."""

from django.urls import path, re_path

from interop import sup4rnet

urlpatterns = [
    path("at/<slug:slug>/api/active_reservations", sup4rnet.by_address, name="sup4rnet-by-address"),
    path("<str:secret>/api/active_reservations", sup4rnet.by_secret, name="sup4rnet-by-secret"),
    re_path(r"^.*$", sup4rnet.nothing),
]
