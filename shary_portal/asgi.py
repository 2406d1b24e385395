"""What an ASGI server runs; live updates need one."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shary_portal.settings.production")

application = get_asgi_application()
