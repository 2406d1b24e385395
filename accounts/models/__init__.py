"""The nouns of *who*."""

from accounts.models.belonging import Invitation as Invitation
from accounts.models.belonging import JoinRequest as JoinRequest
from accounts.models.belonging import MembershipEvent as MembershipEvent
from accounts.models.federation import HomeScope as HomeScope
from accounts.models.federation import IdentityProvider as IdentityProvider
from accounts.models.federation import MappingRule as MappingRule
from accounts.models.keys import PersonalToken as PersonalToken
from accounts.models.keys import SshKey as SshKey
from accounts.models.people import Organisation as Organisation
from accounts.models.people import User as User
from accounts.models.people import validate_time_zone as validate_time_zone
from accounts.models.projects import Membership as Membership
from accounts.models.projects import Project as Project
from accounts.models.sessions import SignedIn as SignedIn
