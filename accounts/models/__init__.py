"""The nouns of *who*."""

from accounts.models.keys import PersonalToken as PersonalToken
from accounts.models.keys import SshKey as SshKey
from accounts.models.people import Organisation as Organisation
from accounts.models.people import User as User
from accounts.models.people import validate_time_zone as validate_time_zone
from accounts.models.projects import Membership as Membership
from accounts.models.projects import Project as Project
