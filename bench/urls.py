"""The portal's addresses, and the floor that its endpoints are held against."""

from django.urls import include, path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Null(APIView):
    """Reads JSON and answers JSON; asks nobody anything."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"ok": True})

    def post(self, request: Request) -> Response:
        """Read, and answer."""
        return Response({"fields": len(request.data)}, status=201)


urlpatterns = [path("bench/null/", Null.as_view()), path("", include("shary_portal.urls"))]
