"""Errors that no view answers: as a problem under /api/, as a page elsewhere."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shary_portal.problems import CONTENT_TYPE


class Unknown(APIView):
    """Whatever the API does not have."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse, whatever the method."""
        raise NotFound("There is no such address; they are listed at /api/docs/, and each ends in a slash.")

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Never reached: `initial` has refused."""
        raise NotFound


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one with too many fields."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return _problem(400, "bad_request", "The request could not be read.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for what is not there."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _problem(404, "not_found", "There is no such thing here.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a bug of ours, without telling more than that."""
    if not _is_api(request):
        return defaults.server_error(request)
    return _problem(500, "bug", "The portal had an error of its own, and it was logged; try again in a moment.")


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _problem(status: int, code: str, detail: str) -> HttpResponse:
    body = {"type": f"about:blank#{code}", "title": detail, "status": status, "detail": detail, "code": code}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def closed(request: HttpRequest, **_: Any) -> HttpResponse:
    """Answer where a library has a page that this portal does not offer."""
    raise Http404
