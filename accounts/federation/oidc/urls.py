"""Where sign-ins by OpenID Connect begin and come back to."""

from django.urls import path

from accounts.federation.oidc import views

urlpatterns = [
    path("oidc/<slug:provider_id>/login/", views.login, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", views.callback, name="openid_connect_callback"),
]
