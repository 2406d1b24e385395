"""What an ASGI server runs; live updates need one."""

import os
import sys

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shary_portal.settings.production")

# Requests wait for the database more than they compute. A thread that is done waiting should get the
# interpreter at once, and not after the default of 5 ms.
sys.setswitchinterval(0.0005)

application = get_asgi_application()
