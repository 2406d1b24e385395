"""Who vouches for people, and what their word is worth here."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.encrypted import EncryptedTextField
from accounts.models.people import Organisation
from accounts.models.projects import Membership, Project

BY_HAND = "manual"
RESERVED_SLUGS = frozenset({BY_HAND, "acs", "metadata"})


def validate_provider_slug(slug: str) -> None:
    """Refuse names that mean something else where providers are named."""
    if slug in RESERVED_SLUGS:
        raise ValidationError(
            _("“%(slug)s” has a meaning of its own here; choose another name."), params={"slug": slug}
        )


class IdentityProvider(models.Model):
    """An institution's or a federation's sign-on service.

    A person is known by what it says of them: the issuer and their subject there, never their e-mail address.
    """

    class Protocol(models.TextChoices):
        OIDC = "openid_connect", _("OpenID Connect")
        SAML = "saml", _("SAML 2.0")

    slug = models.SlugField(
        _("short name"),
        unique=True,
        max_length=40,
        validators=[validate_provider_slug],
        help_text=_("Stands in addresses and beside memberships; stays as it is once somebody has signed in."),
    )
    name = models.CharField(
        _("name"), max_length=200, help_text=_("As people look for it: “University of Rome”.")
    )
    protocol = models.CharField(_("protocol"), max_length=20, choices=Protocol.choices)
    issuer = models.CharField(
        _("issuer or entity ID"),
        unique=True,
        max_length=500,
        help_text=_("Exactly as the provider writes it. It is half of everybody’s identity."),
    )
    is_enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_(
            "Switched off, nobody from here gets in: sessions and tokens stop at once, leases are ended."
        ),
    )
    disabled_because = models.CharField(
        _("why it is switched off"), max_length=200, blank=True, help_text=_("Told to those whose leases end.")
    )
    organisation = models.ForeignKey(
        Organisation,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="identity_providers",
        verbose_name=_("organisation"),
        help_text=_("The home of everybody who comes from here, unless the provider names one listed below."),
    )
    client_id = models.CharField(
        _("client ID"), max_length=191, blank=True, help_text=_("OpenID Connect: our name at the provider.")
    )
    client_secret = EncryptedTextField(_("client secret"), blank=True, default="")
    metadata_url = models.URLField(
        _("metadata address"),
        blank=True,
        max_length=500,
        help_text=_("SAML: read when this is saved, and every hour. Or paste the metadata below."),
    )
    metadata_certificate = models.TextField(
        _("metadata certificate"),
        blank=True,
        help_text=_("SAML: the federation’s certificate (PEM); metadata that it did not sign is refused."),
    )
    metadata = models.TextField(
        _("metadata"),
        blank=True,
        help_text=_("SAML: the provider’s entity descriptor, pasted, or as it was last read."),
    )
    metadata_read_at = models.DateTimeField(null=True, blank=True, editable=False)
    entitlement_namespaces = models.TextField(
        _("entitlement namespaces"),
        blank=True,
        help_text=_("One a line, such as urn:geant:uni-a.example. Groups in other namespaces do not count."),
    )
    entitlement_authorities = models.TextField(
        _("entitlement authorities"),
        blank=True,
        help_text=_(
            "One a line: what may stand behind the # of an entitlement. Empty: only those without one count."
        ),
    )
    memberships_last_days = models.PositiveSmallIntegerField(
        _("memberships last"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text=_("Days after a sign-in until what it gave ends, unless the person signs in again."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("identity provider")
        verbose_name_plural = _("identity providers")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["client_id"],
                condition=~models.Q(client_id=""),
                name="one_provider_per_client_id",
                violation_error_message=_(
                    "Another provider knows us by this client ID already; register us under one of its own."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces of groups that it may speak of."""
        return frozenset(line.strip() for line in self.entitlement_namespaces.splitlines() if line.strip())

    @property
    def authorities(self) -> frozenset[str]:
        """What may stand behind the # of its entitlements."""
        return frozenset(line.strip() for line in self.entitlement_authorities.splitlines() if line.strip())


class HomeScope(models.Model):
    """A home organisation that a provider may name: its domain, and who that is here."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="home_scopes")
    scope = models.CharField(
        _("domain"), max_length=255, help_text=_("As in schacHomeOrganization: uni-a.example.")
    )
    organisation = models.ForeignKey(
        Organisation, on_delete=models.PROTECT, related_name="home_scopes", verbose_name=_("organisation")
    )

    class Meta:
        ordering = ["scope"]
        verbose_name = _("home organisation it may name")
        verbose_name_plural = _("home organisations it may name")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "scope"], name="one_home_per_scope_of_a_provider")
        ]

    def __str__(self) -> str:
        return f"{self.scope} → {self.organisation}"

    def clean(self) -> None:
        """Keep domains in one writing."""
        self.scope = self.scope.strip().lower()


class MappingRule(models.Model):
    """What a group or an affiliation, said by one provider, gives in one project."""

    class Kind(models.TextChoices):
        GROUP = "group", _("Group")
        AFFILIATION = "affiliation", _("Affiliation")

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="rules")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices, default=Kind.GROUP)
    value = models.CharField(
        _("value"),
        max_length=300,
        help_text=_("A group, with subgroups behind colons: network:p4. Or an affiliation: member."),
    )
    role_there = models.CharField(
        _("role there"),
        max_length=100,
        blank=True,
        help_text=_("Only with this role in the group; empty: any."),
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="mapping_rules", verbose_name=_("project")
    )
    role = models.CharField(
        _("role here"), max_length=16, choices=Membership.Role.choices, default=Membership.Role.MEMBER
    )

    class Meta:
        ordering = ["kind", "value", "role_there"]
        verbose_name = _("mapping rule")
        verbose_name_plural = _("mapping rules")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "kind", "value", "role_there", "project"],
                name="one_rule_per_group_and_project",
            ),
            # An affiliation may lag by a month, so it never makes anybody a leader.
            models.CheckConstraint(
                condition=~models.Q(kind="affiliation", role="leader"),
                name="affiliations_make_no_leaders",
                violation_error_message=_("An affiliation makes members only; leaders need a group."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value} → {self.project} ({self.get_role_display()})"
