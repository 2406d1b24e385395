"""Where sign-ins by SAML begin and come back to."""

from django.urls import path

from accounts.federation.saml import views

urlpatterns = [
    path("saml/metadata/", views.metadata, name="saml_metadata"),
    path("saml/acs/", views.acs, name="saml_acs"),
    path("saml/acs/finish/", views.finish_acs, name="saml_finish_acs"),
    path("saml/<slug:provider_id>/login/", views.login, name="saml_login"),
]
