"""What a WSGI server runs; without live updates."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shary_portal.settings.production")

application = get_wsgi_application()
