"""A POST that is sent twice is done once.

Whoever sends the header `Idempotency-Key` gets the same answer to the same request for thirty days,
refusals too. The key is entered first and in the transaction of the work, so that either both are
kept or neither; a second request with the key waits for the first, and then gets its answer.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

from django.db import connection, transaction
from django.http import QueryDict
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSetMixin

from accounts.encrypted import EncryptedTextField
from reservations.errors import Invalid
from reservations.models import IdempotencyKey
from shary_portal.problems import CONTENT_TYPE

HEADER = "Idempotency-Key"
MOST_CHARACTERS = 255
REPLAYED = "Idempotency-Replayed"

# Answers hold secrets: a token that is shown once, the way into a device.
_sealed: EncryptedTextField = EncryptedTextField()

Handler = Callable[..., Response]


class KeyReused(APIException):
    """The key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another request; make a new one for each request."


class Idempotent:
    """Mixed into a view: keeps its answers to POST requests that carry a key.

    A view whose refusals undo by themselves what they wrote says so by `is_all_or_nothing`, which saves
    a savepoint around it.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Put the keeper of answers in front of the handler, once it is known who asks."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key = request.headers.get(HEADER)
        handler: Handler | None = getattr(self, "post", None)
        if request.method == "POST" and key is not None and handler is not None:
            if not 0 < len(key) <= MOST_CHARACTERS:
                raise Invalid({HEADER: [f"Give a key of 1 to {MOST_CHARACTERS} characters."]})
            self.post = partial(self._answer_once, handler, key)

    def _answer_once(self, handler: Handler, key: str, request: Request, *args: Any, **kwargs: Any) -> Response:
        digest = fingerprint(request)
        user_id = cast(int, request.user.pk)
        with transaction.atomic():
            entered = _enter(user_id, key, digest)
            if entered is None:
                return _kept_answer(user_id, key, digest)
            try:
                with nullcontext() if getattr(self, "is_all_or_nothing", False) else transaction.atomic():
                    response = handler(request, *args, **kwargs)
            except Exception as error:
                response = self.handle_exception(error)  # type: ignore[attr-defined]
            text = JSONRenderer().render(response.data).decode()
            _keep_answer(entered, response.status_code, text)
        return response


class PortalRouter(SimpleRouter):
    """Routes of the REST API; every POST behind them can be repeated without harm."""

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)

    def register(self, prefix: str, viewset: type[ViewSetMixin], basename: str | None = None) -> None:
        """Route to the view, with the keeper of answers before it."""
        kept = type(
            viewset.__name__,
            (Idempotent, viewset),
            {"__doc__": viewset.__doc__, "__module__": viewset.__module__},
        )
        super().register(prefix, cast(type[ViewSetMixin], kept), basename or prefix)


def fingerprint(request: Request) -> str:
    """Return what makes the request this one: its address, its parameters and what it carries."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if not isinstance(request.data, QueryDict):
        digest.update(json.dumps(request.data, sort_keys=True).encode())
        return digest.hexdigest()
    for name, values in sorted(request.data.lists()):
        fields: list[Any] = values  # text, or uploaded files
        for value in fields:
            digest.update(json.dumps(name).encode())
            if hasattr(value, "chunks"):
                digest.update(json.dumps(value.name).encode())
                for chunk in value.chunks():
                    digest.update(chunk)
                value.seek(0)
            else:
                digest.update(json.dumps(value).encode())
    return digest.hexdigest()


def _enter(user_id: int, key: str, digest: str) -> int | None:
    """Enter the key; None if it is known. Waits while another request with it is being answered."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reservations_idempotencykey (user_id, key, body_sha256, created_at)"
            " VALUES (%s, %s, %s, now()) ON CONFLICT (user_id, key) DO NOTHING RETURNING id",
            [user_id, key, digest],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _keep_answer(entered: int, status: int, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reservations_idempotencykey SET status = %s, response = to_jsonb(%s::text) WHERE id = %s",
            [status, _sealed.get_prep_value(text), entered],
        )


def _kept_answer(user_id: int, key: str, digest: str) -> Response:
    kept = IdempotencyKey.objects.get(user=user_id, key=key)
    if kept.body_sha256 != digest or kept.status is None:
        raise KeyReused
    text = _sealed.from_db_value(kept.response)
    return Response(
        json.loads(text or "null"),
        status=kept.status,
        headers={REPLAYED: "true"},
        content_type=CONTENT_TYPE if kept.status >= 400 else None,
    )
