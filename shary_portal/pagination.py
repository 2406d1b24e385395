"""Pages of a list."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Cursor pages, newest first; a view with another natural order sets `ordering`."""

    ordering = "-pk"
    page_size_query_param = "limit"
    max_page_size = 500
