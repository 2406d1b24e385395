"""Where somebody is signed in."""

from django.db import models
from django.utils.translation import gettext as _

from accounts.models.people import User

BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


class SignedIn(models.Model):
    """One browser in which somebody is signed in; it ends with its session."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    began_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)
    browser = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-began_at"]

    def __str__(self) -> str:
        return f"{self.user} since {self.began_at:%Y-%m-%d %H:%M}"

    @property
    def browser_name(self) -> str:
        """What the browser says it is, in two words; it says many, and the first that fits is the true one."""
        name = next((name for mark, name in BROWSERS if mark in self.browser), "")
        system = next((name for mark, name in SYSTEMS if mark in self.browser), "")
        if not name:
            return _("A browser that does not say its name")
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system} if system else name
