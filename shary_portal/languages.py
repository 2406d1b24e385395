"""The language of pages, and the words that their scripts use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_GET, require_POST
from django.views.i18n import JavaScriptCatalog, set_language

from accounts.models import User

LANGUAGES = dict(settings.LANGUAGES)


class _Words(JavaScriptCatalog):
    """Our own words only: those of the admin come with the admin's pages."""

    packages = ["shary_portal"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer in the language that the address names, so that what is kept is never another's."""
        language = kwargs.pop("language")
        with translation.override(language if language in LANGUAGES else settings.LANGUAGE_CODE):
            response = super().get(request, *args, **kwargs)
        patch_cache_control(response, public=True, max_age=3600)
        return response


words = require_GET(_Words.as_view())


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Use the language from now on in this browser, and in messages to whoever is signed in."""
    chosen = request.POST.get("language", "")
    if isinstance(request.user, User) and chosen in LANGUAGES:
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    return set_language(request)
