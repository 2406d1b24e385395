"""Names the site that the admin's `admin.site` stands for."""

from django.contrib.admin.apps import AdminConfig


class DeskConfig(AdminConfig):
    """Stands in `INSTALLED_APPS` where `django.contrib.admin` would."""

    default_site = "shary_portal.desk.site.OperatorsDesk"
