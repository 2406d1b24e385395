"""Projects: who is in them, and how one comes in and goes."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import invitations, join_requests, memberships
from accounts.api.door import Door
from accounts.models import Invitation, JoinRequest, Membership, MembershipEvent, Project
from accounts.rules import COUNTS, PROJECT, memberships_of, reads_everything, roles_in, visible_projects
from accounts.scopes import Scope


class ProjectBrief(serializers.ModelSerializer[Project]):
    """A project."""

    organisation = serializers.CharField(source="organisation.name", read_only=True)

    class Meta:
        model = Project
        fields = ["slug", "name", "organisation"]
        read_only_fields = fields


class MemberShape(serializers.ModelSerializer[Membership]):
    """Somebody in a project."""

    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user")

    class Meta:
        model = Membership
        fields = ["username", "name", "role", "source", "expires_at"]
        read_only_fields = fields


class InvitationShape(serializers.ModelSerializer[Invitation]):
    """An invitation; what opens it is told once, to whoever made it."""

    project = serializers.CharField(source="project.slug", read_only=True)
    username = serializers.CharField(source="invited.username", default=None, allow_null=True)
    made_by = serializers.CharField(source="made_by.username", default=None, allow_null=True)

    class Meta:
        model = Invitation
        fields = ["id", "project", "username", "email", "role", "made_by", "made_at", "expires_at"]
        read_only_fields = fields


class MadeInvitation(InvitationShape):
    """A new invitation, with its link: shown this once."""

    link = serializers.CharField(allow_null=True, help_text="For one by e-mail: works once. Else null.")

    class Meta(InvitationShape.Meta):
        fields = [*InvitationShape.Meta.fields, "link"]
        read_only_fields = fields


class JoinRequestShape(serializers.ModelSerializer[JoinRequest]):
    """Somebody asks to be let in."""

    project = serializers.CharField(source="project.slug", read_only=True)
    username = serializers.CharField(source="user.username")

    class Meta:
        model = JoinRequest
        fields = ["id", "project", "username", "words", "made_at"]
        read_only_fields = fields


class ChangeShape(serializers.ModelSerializer[MembershipEvent]):
    """A change of who is in a project."""

    username = serializers.CharField(source="user.username", default=None, allow_null=True)
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = MembershipEvent
        fields = ["at", "what", "username", "actor", "words"]
        read_only_fields = fields


class ProjectShape(ProjectBrief):
    """A project with its people; for its leaders also with what waits for them."""

    members = serializers.SerializerMethodField()
    may_lead = serializers.SerializerMethodField()

    class Meta(ProjectBrief.Meta):
        fields = [*ProjectBrief.Meta.fields, "members", "may_lead"]
        read_only_fields = fields

    @extend_schema_field(MemberShape(many=True))
    def get_members(self, project: Project) -> Any:
        """Who is in it now."""
        people = project.memberships.filter(COUNTS).select_related("user").order_by("user__username")
        return MemberShape(people, many=True).data

    def get_may_lead(self, project: Project) -> bool:
        """Whether the caller says who is in it."""
        return bool(roles_in(self.context["view"].person, project.pk) & PROJECT["lead"])


class AskedInvitation(serializers.Serializer[Any]):
    """Whom to invite: one of the two."""

    username = serializers.CharField(max_length=150, required=False)
    email = serializers.EmailField(required=False)
    role = serializers.ChoiceField(choices=Membership.Role.choices, default=Membership.Role.MEMBER)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both, and neither."""
        if bool(attrs.get("username")) == bool(attrs.get("email")):
            raise serializers.ValidationError(
                {"username": [_("Give a username or an e-mail address, not both.")]}
            )
        return attrs


class AskedPerson(serializers.Serializer[Any]):
    """Somebody in the project."""

    username = serializers.CharField(max_length=150)


class AskedRole(AskedPerson):
    """Somebody in the project, and as what."""

    role = serializers.ChoiceField(choices=Membership.Role.choices)


class AskedToJoin(serializers.Serializer[Any]):
    """A project that one is not in yet."""

    project = serializers.SlugField(max_length=50)
    words = serializers.CharField(max_length=500, required=False, allow_blank=True)


class AskedLink(serializers.Serializer[Any]):
    """What opens an invitation: the part of its link behind the #."""

    secret = serializers.CharField(max_length=100)


class ProjectDoor(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door[Project]):
    """Projects that you are in, and who is in them with you."""

    writes = Scope.OPERATE
    scopes = {"leave": Scope.BOOK}

    queryset = Project.objects.all()
    serializer_class = ProjectShape
    ordering = ("name", "id")
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def visible(self) -> QuerySet[Project]:
        """Return the projects that the person may see."""
        return visible_projects(self.person).select_related("organisation")

    def get_serializer_class(self) -> type[serializers.ModelSerializer[Project]]:
        """Name people only where one project is asked for."""
        return ProjectBrief if self.action == "list" else ProjectShape

    @extend_schema(request=AskedInvitation, responses={201: MadeInvitation})
    @action(detail=True, methods=["post"])
    def invite(self, request: Request, slug: str) -> Response:
        """Invite somebody by username, or by e-mail with a link that works once; for leaders."""
        asked = self.read(AskedInvitation)
        made, secret = invitations.invite(slug=slug, actor=self.person, now=self.now, **asked)
        link = None
        if secret:
            link = f"{request.build_absolute_uri(reverse('invitation'))}#{secret}"
            invitations.mail_link(made, link)
        return Response(InvitationShape(made).data | {"link": link}, status=status.HTTP_201_CREATED)

    @extend_schema(request=AskedPerson, responses={204: None})
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, slug: str) -> Response:
        """Put somebody out of the project; for leaders."""
        memberships.remove(slug=slug, actor=self.person, now=self.now, **self.read(AskedPerson))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=AskedRole, responses=MemberShape)
    @action(detail=True, methods=["post"], url_path="change-role")
    def change_role(self, request: Request, slug: str) -> Response:
        """Make a member a leader, or a leader a member; for leaders."""
        changed = memberships.change_role(slug=slug, actor=self.person, now=self.now, **self.read(AskedRole))
        return Response(MemberShape(changed).data)

    @extend_schema(request=AskedPerson, responses=MemberShape)
    @action(detail=True, methods=["post"], url_path="hand-over")
    def hand_over(self, request: Request, slug: str) -> Response:
        """Give your leadership to another member; you stay as a member."""
        leader = memberships.hand_over(slug=slug, actor=self.person, now=self.now, **self.read(AskedPerson))
        return Response(MemberShape(leader).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def leave(self, request: Request, slug: str) -> Response:
        """Leave the project; what you booked for it stays."""
        memberships.leave(slug=slug, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=ChangeShape(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def changes(self, request: Request, slug: str) -> Response:
        """Show the last hundred changes of who is in it, newest first; for leaders and auditors."""
        project = memberships.project_of(self.person, slug)
        if not reads_everything(self.person):
            memberships.refuse_who_does_not_lead(self.person, project)
        events = project.events.select_related("user", "actor")[:100]
        return Response(ChangeShape(events, many=True).data)


class InvitationDoor(mixins.ListModelMixin, Door[Invitation]):
    """Invitations that wait: for your answer, or into projects that you lead."""

    scopes = {"withdraw": Scope.OPERATE}

    queryset = Invitation.objects.all()
    serializer_class = InvitationShape
    ordering = ("-made_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Invitation]:
        """Return what waits for the person, or for those whom they invited."""
        found = Invitation.objects.filter(over_at=None, expires_at__gt=self.now)
        if not reads_everything(self.person):
            led = memberships_of(self.person).filter(role=Membership.Role.LEADER).values("project")
            found = found.filter(Q(invited=self.person) | Q(project__in=led))
        return found.select_related("project", "invited", "made_by")

    @extend_schema(request=None, responses=MemberShape)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: UUID) -> Response:
        """Accept an invitation that is yours."""
        return self._accepted(invitation_id=pk)

    @extend_schema(request=AskedLink, responses=MemberShape)
    @action(detail=False, methods=["post"], url_path="accept-link")
    def accept_link(self, request: Request) -> Response:
        """Accept the invitation behind a link; it is yours from then on, and the link is dead."""
        return self._accepted(secret=self.read(AskedLink)["secret"])

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: UUID) -> Response:
        """Say no to an invitation that is yours."""
        invitations.decline(invitation_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: UUID) -> Response:
        """Take an invitation back; for leaders of its project."""
        invitations.withdraw(invitation_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _accepted(self, **which: Any) -> Response:
        return Response(MemberShape(invitations.accept(actor=self.person, now=self.now, **which)).data)


class JoinRequestDoor(mixins.ListModelMixin, Door[JoinRequest]):
    """Requests to be let into a project: your own, and those that you decide."""

    scopes = {"approve": Scope.OPERATE, "decline": Scope.OPERATE}

    queryset = JoinRequest.objects.all()
    serializer_class = JoinRequestShape
    ordering = ("-made_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[JoinRequest]:
        """Return one's own requests, and those into projects that one leads."""
        found = JoinRequest.objects.filter(over_at=None)
        if not reads_everything(self.person):
            led = memberships_of(self.person).filter(role=Membership.Role.LEADER).values("project")
            found = found.filter(Q(user=self.person) | Q(project__in=led))
        return found.select_related("project", "user")

    @extend_schema(request=AskedToJoin, responses={202: None})
    def create(self, request: Request) -> Response:
        """Ask to be let in. The answer is the same whether there is such a project or not."""
        asked = self.read(AskedToJoin)
        join_requests.ask_to_join(
            slug=asked["project"], words=asked.get("words", ""), actor=self.person, now=self.now
        )
        return Response(status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=MemberShape)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: UUID) -> Response:
        """Let them in; for leaders of the project."""
        return Response(
            MemberShape(join_requests.approve_request(request_id=pk, actor=self.person, now=self.now)).data
        )

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: UUID) -> Response:
        """Do not let them in; for leaders of the project."""
        join_requests.decline_request(request_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: UUID) -> Response:
        """Take your own request back."""
        join_requests.withdraw_request(request_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)
