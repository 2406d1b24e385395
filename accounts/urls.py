"""Addresses of the pages of *who*."""

from django.urls import path, re_path

from accounts.pages import account, projects

urlpatterns = [
    path("account/", account.profile, name="profile"),
    path("account/keys/", account.keys, name="keys"),
    path("account/security/", account.security, name="security"),
    path("account/sessions/end/", account.end_sessions, name="end-sessions"),
    path("projects/", projects.projects, name="projects"),
    path("join-a-project/", projects.join, name="join-project"),
    path("projects/<slug:slug>/", projects.project, name="project"),
    path("projects/<slug:slug>/invite/", projects.invite, name="invite"),
    re_path(
        r"^projects/(?P<slug>[-\w]+)/(?P<verb>leave|remove|lead|member|hand-over)/$",
        projects.change,
        name="change-project",
    ),
    path("invitation/", projects.invitation, name="invitation"),
    re_path(
        r"^invitations/(?P<invitation_id>[0-9a-f-]{36})/(?P<verb>accept|decline|withdraw)/$",
        projects.answer_invitation,
        name="answer-invitation",
    ),
    re_path(
        r"^join-requests/(?P<request_id>[0-9a-f-]{36})/(?P<verb>approve|decline|withdraw)/$",
        projects.answer_request,
        name="answer-request",
    ),
]
